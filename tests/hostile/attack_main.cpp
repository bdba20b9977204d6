// SPDX-License-Identifier: Apache-2.0
// Attacks a mounted tree with system calls of all kinds from several processes, and judges each answer.
//
//   attack [--seed N] [--processes N] [--calls N] [--seconds N] ROOT
//
// Each process ends after so many calls, or seconds. Prints how often each kind of call ended how.
// Exits with 1 when one ended as it must not (see attack_laws.cpp), a process crashed or hung, or the
// tree is not as it was before.
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>

#include "tests/hostile/attack.hpp"
#include "tests/hostile/tree_listing.hpp"

namespace {

using namespace vpowercap::testing;
using Clock = std::chrono::steady_clock;

/// A call that has not come back after this long hangs: nothing waits for the server longer than a
/// restart of it takes.
constexpr auto patience = std::chrono::seconds(120);

struct Settings {
  std::uint64_t seed = 1, processes = 4, calls = 20'000, seconds = 3600;
  std::string root;
};

[[noreturn]] void attack(const Settings& settings, std::vector<std::string> known, Tally& tally,
                         std::size_t number) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGIO, SIG_IGN);    // leases and watches send it
  ::signal(SIGXFSZ, SIG_IGN);  // so does a truncation beyond all limits
  const auto end = Clock::now() + std::chrono::seconds(settings.seconds);
  Attack(settings.root, std::move(known), settings.seed + number, tally, number)
      .run(settings.calls, [end] { return Clock::now() >= end; });
  ::_exit(0);
}

/// Waits for all; the complaints of those that did not end well.
std::vector<std::string> wait_for(std::vector<pid_t> children, const Tally& tally) {
  std::vector<std::string> complaints;
  std::vector<std::uint64_t> seen(children.size(), 0);
  std::vector<Clock::time_point> moved(children.size(), Clock::now());
  while (std::ranges::count(children, 0) != static_cast<std::ptrdiff_t>(children.size())) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    for (std::size_t i = 0; i < children.size(); ++i) {
      if (children[i] == 0) continue;
      const auto& process = tally.processes[i];
      const char* const attempt = process.attempt;
      const std::string what = attempt == nullptr ? "between two attempts" : attempt;
      int status = 0;
      if (::waitpid(children[i], &status, WNOHANG) == children[i]) {
        children[i] = 0;
        if (WIFSIGNALED(status))
          complaints.push_back("killed by " + std::string(strsignal(WTERMSIG(status))) + " in " + what);
        else if (WEXITSTATUS(status) != 0) complaints.push_back("ended in " + what);
      } else if (process.calls != seen[i]) {
        seen[i] = process.calls;
        moved[i] = Clock::now();
      } else if (Clock::now() - moved[i] > patience) {
        complaints.push_back("hung in " + what);
        ::kill(children[i], SIGKILL);
        children[i] = 0;
      }
    }
  }
  return complaints;
}

std::string outcome_name(std::size_t outcome) {
  if (outcome == 0) return "done";
  if (outcome == bus_error) return "SIGBUS";
  const char* const name = ::strerrorname_np(static_cast<int>(outcome));
  return name == nullptr ? "errno " + std::to_string(outcome) : name;
}

/// Prints the outcomes of each kind of call; those that it must not have.
std::vector<std::string> judge(const Tally& tally) {
  std::vector<std::string> complaints;
  for (std::size_t i = 0; i < laws().size(); ++i) {
    const auto& law = laws()[i];
    std::string line;
    for (std::size_t outcome = 0; outcome < outcome_count; ++outcome) {
      const auto times = tally.outcomes[i][outcome].load();
      if (times == 0) continue;
      line += (line.empty() ? "" : ", ") + outcome_name(outcome) + " " + std::to_string(times);
      const bool is_clean = outcome == 0
                                ? law.may_succeed
                                : std::ranges::count(law.clean, static_cast<int>(outcome)) != 0;
      if (!is_clean)
        complaints.push_back(std::string(law.call) + ": " + outcome_name(outcome) + " " +
                             std::to_string(times));
    }
    std::printf("%s: %s\n", std::string(law.call).c_str(), line.empty() ? "not tried" : line.c_str());
  }
  return complaints;
}

Tally& shared_tally() {
  auto* const place =
      ::mmap(nullptr, sizeof(Tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) throw std::bad_alloc();
  return *new (place) Tally();
}

void print(const std::vector<std::string>& complaints) {
  for (const auto& complaint : complaints) std::printf("WRONG: %s\n", complaint.c_str());
  std::fflush(stdout);
}

int run(const Settings& settings) {
  const auto before = tree_listing(settings.root);
  std::vector<std::string> known;
  for (const auto& [path, text] : before) known.push_back(path);
  std::printf("seed %llu, %llu processes, %zu paths\n", static_cast<unsigned long long>(settings.seed),
              static_cast<unsigned long long>(settings.processes), known.size());
  std::fflush(stdout);
  auto& tally = shared_tally();
  const auto begin = Clock::now();
  std::vector<pid_t> children;
  for (std::size_t i = 0; i < settings.processes; ++i) {
    const auto child = ::fork();
    if (child == 0) attack(settings, known, tally, i);
    children.push_back(child);
  }
  auto complaints = wait_for(std::move(children), tally);
  const std::chrono::duration<double> taken = Clock::now() - begin;
  std::uint64_t calls = 0;
  for (const auto& process : tally.processes) calls += process.calls;
  const auto unclean = judge(tally);
  complaints.insert(complaints.end(), unclean.begin(), unclean.end());
  std::printf("%llu calls in %.1f s\n", static_cast<unsigned long long>(calls), taken.count());
  print(complaints);
  // Last, as it would hang too where a process did.
  const auto changed = differences(before, tree_listing(settings.root));
  print(changed);
  return complaints.empty() && changed.empty() ? 0 : 1;
}

Settings parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto number = [&] { return i + 1 < argc ? std::stoull(argv[++i]) : 0; };
    if (word == "--seed") settings.seed = number();
    else if (word == "--processes") settings.processes = number();
    else if (word == "--calls") settings.calls = number();
    else if (word == "--seconds") settings.seconds = number();
    else settings.root = word;
  }
  return settings;
}

}  // namespace

int main(int argc, char** argv) {
  const auto settings = parse(argc, argv);
  if (settings.root.empty() || settings.processes == 0 ||
      settings.processes > Tally().processes.size()) {
    std::fputs("usage: attack [--seed N] [--processes N, at most 64] [--calls N] [--seconds N] ROOT\n",
               stderr);
    return 2;
  }
  try {
    return run(settings);
  } catch (const std::exception& error) {
    std::printf("WRONG: %s\n", error.what());
    return 1;
  }
}
