// SPDX-License-Identifier: Apache-2.0
// Following of helper processes.
#include "host/sampler/helper_set.hpp"

#include <fcntl.h>

#include <array>
#include <utility>

#include "common/base/file.hpp"
#include "common/procs/process_files.hpp"

namespace vpowercap {
namespace {

std::uint64_t sum_of(const VmProcess& process, const std::vector<ThreadWork>& threads) {
  std::uint64_t sum = process.ended_ns();
  for (const auto& thread : threads) sum += thread.run_ns;
  return sum;
}

}  // namespace

void HelperSet::tell(const Error& error) {
  if (!has_ended(error.code)) problems_.push_back(error);
}

OldHelpers HelperSet::adopt(const std::string& proc_root, const std::vector<ProcessId>& found,
                            std::uint64_t counts_after, const VmCgroup* group) {
  OldHelpers old;
  const auto fails = [&](const Error& error) {
    tell(error);
    old.is_whole = old.is_whole && has_ended(error.code);
  };
  for (const auto& id : found) {
    const auto known = helpers_.find(id.pid);
    if (known != helpers_.end() && known->second.id == id) continue;
    if (known != helpers_.end()) helpers_.erase(known);
    auto process = VmProcess::open(proc_root, id.pid, id.start_ticks);
    if (!process) {
      fails(process.error());
      continue;
    }
    Helper helper{id, std::move(*process), process_directory(proc_root, id.pid) + "/cgroup", {}};
    helper.was_inside = is_inside(helper, group);
    if (id.start_ticks < counts_after) {
      const auto threads = helper.process.sample();
      if (!threads) {
        fails(threads.error());
        continue;
      }
      helper.last_ns = sum_of(helper.process, *threads);
      if (!helper.was_inside) old.outside_ns += helper.last_ns;
      for (const auto& thread : *threads) old.threads.push_back({id.pid, thread});
    }
    helpers_.emplace(id.pid, std::move(helper));
  }
  outside_ns_ += old.outside_ns;
  return old;
}

bool HelperSet::is_inside(Helper& helper, const VmCgroup* group) {
  if (group == nullptr) return false;
  // One that does not say is taken as counted: nobody pays for the same work twice.
  if (!helper.cgroup) {
    auto opened = open_at(AT_FDCWD, helper.cgroup_path, O_RDONLY);
    if (!opened) tell(opened.error());
    if (!opened) return true;
    helper.cgroup = std::move(*opened);
  }
  std::array<char, 16384> buffer;
  const auto text = pread_whole(helper.cgroup.get(), buffer);
  if (!text) tell({text.error().code, helper.cgroup_path + ": " + text.error().message});
  if (!text || text->empty()) return true;
  if (!text->ends_with('\n')) tell({EPROTO, helper.cgroup_path + " holds no whole lines"});
  return !text->ends_with('\n') || group->holds(std::string(*text));
}

HelperWork HelperSet::sample(const VmCgroup* group) {
  HelperWork work;
  for (auto at = helpers_.begin(); at != helpers_.end();) {
    auto& helper = at->second;
    const bool inside = is_inside(helper, group);
    const auto threads = helper.process.sample();
    if (!threads && threads.error().code == ESRCH) {
      if (!helper.was_inside) {
        // Until it is reaped. It may have moved into the group first, which then has counted it.
        const auto total = group == nullptr ? helper.process.total_ns() : fail(ESRCH, "unsure");
        if (total && *total > helper.last_ns) outside_ns_ += *total - helper.last_ns;
        work.is_cut = work.is_cut || !total;
      }
      at = helpers_.erase(at);
      continue;
    }
    if (!threads) tell(threads.error());  // its work comes with a later reading
    if (threads) {
      const auto sum = sum_of(helper.process, *threads);
      if (!inside && !helper.was_inside) outside_ns_ += sum - helper.last_ns;
      helper.last_ns = sum;
      helper.was_inside = inside;
      for (const auto& thread : *threads)
        (inside ? work.inside : work.outside).push_back({at->first, thread});
    }
    ++at;
  }
  work.outside_ns = outside_ns_;
  return work;
}

std::vector<Error> HelperSet::take_problems() {
  auto problems = std::exchange(problems_, {});
  for (auto& [pid, helper] : helpers_)
    for (auto& problem : helper.process.take_problems()) problems.push_back(std::move(problem));
  return problems;
}

}  // namespace vpowercap
