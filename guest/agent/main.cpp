// SPDX-License-Identifier: Apache-2.0
// vpowercap-agent: power and energy of this machine and of its VMs, for people and programs.
#include <signal.h>
#include <time.h>

#include <cstdio>
#include <stdexcept>

#include "common/base/file.hpp"
#include "common/log/log.hpp"
#include "common/options/options.hpp"
#include "guest/agent/agent.hpp"
#include "guest/agent/exporter.hpp"
#include "guest/agent/json_format.hpp"
#include "guest/agent/text_format.hpp"

namespace vpowercap {
namespace {

ProgramSpec program() {
  return {
      .name = "vpowercap-agent",
      .summary = "show the energy of power zones and of virtual machines",
      .usage = "[OPTION]... [COMMAND]",
      .description =
          "Reads a powercap tree, the kernel's own on bare metal and on a host or the one that a host "
          "shares with a virtual machine, and shows each zone's energy and power. Counters that wrap "
          "are "
          "added up. A zone that cannot be read is left out, never shown as zero.\n\n"
          "On a host with vpowercapd it also shows the energy of each VM, from the ledger.",
      .options =
          {{"config", "PATH", "/etc/vpowercap/agent.conf", "Configuration file.", false},
           {"powercap-root", "PATH", "/sys/class/powercap", "The powercap tree to read."},
           {"ledger", "PATH", "/run/vpowercap/ledger",
            "The ledger of vpowercapd. Where the default does not exist, VMs are not shown; one named "
            "here must be readable."},
           {"interval", "SECONDS", "1", "Time between two readings of show and json, 0.1 to 3600."},
           {"once", "", "",
            "json: print one object at once and end; it holds no watts of zones, which "
            "need two readings.",
            false},
           {"listen", "HOST:PORT", "127.0.0.1:9955",
            "prometheus: where to serve /metrics; [IPV6]:PORT and :PORT (every address) are good too."},
           {"log-level", "LEVEL", "info", "prometheus: error, warning, info or debug."}},
      .commands = {{"show", "print a table once (the default)"},
                   {"json", "print one JSON object per interval, one a line"},
                   {"prometheus",
                    "serve Prometheus metrics; zones are read when scraped, at most once a second"}},
      .takes_arguments = true,
  };
}

void print(const std::string& text) {
  if (const auto written = write_all(STDOUT_FILENO, text); !written)
    throw std::runtime_error("standard output: " + written.error().message);
}

/// A first snapshot for programs that end: nothing at all to show is a failure.
Snapshot take_something(Agent& agent) {
  Snapshot snapshot = agent.take();
  if (snapshot.readings.zones.empty() && !snapshot.ledger)
    throw std::runtime_error(explain_no_zones(agent.powercap_root(), snapshot.readings.problems));
  return snapshot;
}

/// Sleeps until instants one interval apart, so that the time a reading takes does not add up.
class Ticker {
 public:
  explicit Ticker(double seconds) : step_(static_cast<std::int64_t>(seconds * 1e9)) {
    next_ = clock_.now();
  }
  void wait() {
    next_ = std::max(next_ + step_, clock_.now());
    const timespec until{next_.count() / 1'000'000'000, next_.count() % 1'000'000'000};
    while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
    }
  }

 private:
  SystemClock clock_;
  Nanoseconds step_;
  Nanoseconds next_;
};

int show(Agent& agent, double interval) {
  Ticker ticker(interval);
  (void)take_something(agent);
  ticker.wait();
  print(format_text(agent.take()));
  return 0;
}

int json(Agent& agent, double interval, bool once) {
  Ticker ticker(interval);
  print(format_json(take_something(agent), agent.powercap_root()) + "\n");
  while (!once) {
    ticker.wait();
    print(format_json(agent.take(), agent.powercap_root()) + "\n");
  }
  return 0;
}

int prometheus_endpoint(Agent& agent, const Options& options, const Clock& clock) {
  log::start("vpowercap-agent", options.text("log-level"));
  // Blocked before the server's threads start, so that only sigwait() sees them.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);

  const Snapshot first = agent.take();
  if (first.readings.zones.empty())
    log::warning(explain_no_zones(agent.powercap_root(), first.readings.problems) +
                 "; serving what there is");
  log::Limiter limiter(std::chrono::minutes(10));
  const auto observe = [&](const Snapshot& snapshot) {
    for (const auto& problem : snapshot.readings.problems)
      if (limiter.pass(problem.message, clock.now())) log::warning(problem.message + "; left out");
  };
  observe(first);
  const Exporter exporter(agent, clock, options.text("listen"), observe);
  log::info("serving /metrics on " + options.text("listen") + " (port " +
            std::to_string(exporter.port()) + ")");
  int signal = 0;
  sigwait(&ends, &signal);
  return 0;
}

int body(int argc, const char* const* argv) {
  const auto options = parse_options(program(), argc, argv);
  if (!options) return 0;
  const auto& words = options->arguments();
  const std::string command = words.empty() ? "show" : words.front();
  if (words.size() > 1)
    throw UsageError{"unexpected argument \"" + words[1] + "\" (see vpowercap-agent --help)"};
  const double interval = options->real("interval", 0.1, 3600);

  const SystemClock clock;
  Agent agent(options->text("powercap-root"), options->text("ledger"), clock);
  if (options->given("ledger")) agent.require_ledger();
  if (command == "show") return show(agent, interval);
  if (command == "json") return json(agent, interval, options->flag("once"));
  if (command == "prometheus") return prometheus_endpoint(agent, *options, clock);
  throw UsageError{"\"" + command + "\" is no command; use show, json or prometheus"};
}

}  // namespace
}  // namespace vpowercap

int main(int argc, char** argv) {
  return vpowercap::run_program("vpowercap-agent", vpowercap::body, argc, argv);
}
