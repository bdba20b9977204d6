// SPDX-License-Identifier: Apache-2.0
// The only user of the HTTP exposer.
#include "guest/agent/exporter.hpp"

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>

#include <mutex>
#include <optional>
#include <stdexcept>

#include "common/base/file.hpp"
#include "common/base/utf8.hpp"
#include "common/options/options.hpp"
#include "guest/agent/metrics.hpp"

namespace vpowercap {
namespace {

/// Who scrapes need not be trusted with more: energy read more often shows what programs compute.
constexpr Nanoseconds least_age = std::chrono::seconds(1);

/// Scrapes come from several threads at once; the agent is for one.
class AgentCollectable final : public prometheus::Collectable {
 public:
  AgentCollectable(Agent& agent, const Clock& clock, Exporter::Observer observer)
      : agent_(agent), clock_(clock), observer_(std::move(observer)) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    const std::lock_guard lock(mutex_);
    if (const auto now = clock_.now(); !snapshot_ || now - taken_at_ >= least_age) {
      snapshot_ = agent_.take();
      taken_at_ = now;
      if (observer_) observer_(*snapshot_);
    }
    return metric_families(*snapshot_);
  }

 private:
  mutable std::mutex mutex_;
  Agent& agent_;
  const Clock& clock_;
  Exporter::Observer observer_;
  mutable std::optional<Snapshot> snapshot_;
  mutable Nanoseconds taken_at_{};
};

}  // namespace

struct Exporter::State {
  std::shared_ptr<AgentCollectable> collectable;
  std::unique_ptr<prometheus::Exposer> exposer;
};

std::string listening_port(const std::string& listen) {
  const auto refuse = [&](const std::string& why) -> UsageError {
    return {"listen: \"" + printable(listen) + "\" " + why +
            "; give HOST:PORT, [IPV6]:PORT or :PORT, e.g. 127.0.0.1:9955"};
  };
  const auto colon = listen.rfind(':');
  if (colon == std::string::npos) throw refuse("has no port");
  const std::string host = listen.substr(0, colon);
  const std::string digits = listen.substr(colon + 1);
  const auto port = parse_u64(digits);
  if (!port || *port > 65535 || digits.ends_with('\n')) throw refuse("has no port from 0 to 65535");
  if (host.find_first_of(", +\n") != std::string::npos) throw refuse("names no one host");
  const bool bracketed = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
  if (!bracketed && host.find_first_of(":[]") != std::string::npos)
    throw refuse("has an IPv6 address without brackets");
  const std::string number = std::to_string(*port);
  return host.empty() ? "+" + number : host + ":" + number;
}

Exporter::Exporter(Agent& agent, const Clock& clock, const std::string& listen, Observer observer)
    : state_(std::make_unique<State>()) {
  // Whoever holds a connection and says nothing holds one of the threads: for civetweb's 30 s.
  const std::vector<std::string> options{
      "listening_ports", listening_port(listen), "num_threads", "2", "request_timeout_ms", "3000"};
  try {
    state_->exposer = std::make_unique<prometheus::Exposer>(options);
  } catch (const std::exception&) {
    const std::string ipv6 =
        listen.starts_with('[')
            ? ", or the HTTP server library civetweb was built without IPv6, as Debian 12's is"
            : "";
    throw std::runtime_error("cannot listen on " + listen +
                             ": the port is taken or the address is not one of this machine's" + ipv6 +
                             " (choose another with --listen)");
  }
  state_->collectable = std::make_shared<AgentCollectable>(agent, clock, std::move(observer));
  state_->exposer->RegisterCollectable(state_->collectable);
}

Exporter::~Exporter() = default;

std::uint16_t Exporter::port() const {
  const auto ports = state_->exposer->GetListeningPorts();
  return ports.empty() ? std::uint16_t{0} : static_cast<std::uint16_t>(ports.front());
}

}  // namespace vpowercap
