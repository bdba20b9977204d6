// SPDX-License-Identifier: Apache-2.0
// Keeping of states that wait.
#include "host/sampler/awaited_vms.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/base/file.hpp"
#include "common/base/utf8.hpp"
#include "common/ledger/mapping.hpp"

namespace vpowercap {
namespace {

using Json = nlohmann::json;

constexpr std::string_view suffix = ".json";
/// The longest state with what stands around it.
constexpr std::size_t max_file_size = max_hand_over_size + 1024;

/// Longer than any wait that a file may ask for.
constexpr std::uint64_t most_ns = std::uint64_t{1} << 62;

}  // namespace

AwaitedVms::AwaitedVms(std::string directory) : directory_(std::move(directory)) {
  if (directory_.empty()) return;
  if (const auto boot = boot_id()) boot_ = boot->to_string();
  load();
}

std::string AwaitedVms::path_of(const Uuid& uuid) const {
  return directory_ + "/" + uuid.to_string() + std::string(suffix);
}

void AwaitedVms::load() {
  const std::unique_ptr<DIR, int (*)(DIR*)> list(::opendir(directory_.c_str()), ::closedir);
  if (!list) {
    if (errno != ENOENT)
      problems_.push_back({errno, "cannot read " + directory_ + ": states that wait there are ignored"});
    return;
  }
  while (const auto* entry = ::readdir(list.get())) {
    const std::string name = entry->d_name;
    if (name.ends_with(".new")) ::unlink((directory_ + "/" + name).c_str());  // its add() never returned
    else if (name != "." && name != "..") load_file(name);
  }
}

void AwaitedVms::load_file(const std::string& name) {
  const auto path = directory_ + "/" + name;
  const auto refuse = [&](int code, const std::string& why) {
    problems_.push_back({code, printable(path) + " is no state that waits for its VM (" +
                                   printable(why) + "): ignoring it, remove it"});
  };
  const auto text = read_file_at(AT_FDCWD, path, max_file_size);
  if (!text) return refuse(text.error().code, text.error().message);
  const auto json = Json::parse(*text, nullptr, false);
  if (!json.is_object()) return refuse(EPROTO, "no JSON object");
  const auto boot = json.value("boot", Json());
  const auto until = json.value("until_ns", Json());
  if (!boot.is_string() || !until.is_number_unsigned() || until.get<std::uint64_t>() > most_ns)
    return refuse(EPROTO, "no \"boot\" and \"until_ns\"");
  const auto inner = json.value("state", Json());
  auto state = parse_hand_over(inner.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (!state) return refuse(state.error().code, state.error().message);
  if (name != state->uuid.to_string() + std::string(suffix))
    return refuse(EPROTO, "it is the state of " + state->uuid.to_string());
  if (boot.get<std::string>() != boot_) {
    ::unlink(path.c_str());
    return;  // its ten minutes are over
  }
  const auto uuid = state->uuid;
  if (all_.size() < max_vms)
    all_[uuid] = {std::move(*state), Nanoseconds(until.get<std::int64_t>()), false};
}

Result<void> AwaitedVms::keep(const One& one) const {
  if (directory_.empty()) return {};
  if (::mkdir(directory_.c_str(), 0700) != 0 && errno != EEXIST)
    return fail_errno(errno, "cannot make " + directory_);
  const auto path = path_of(one.state.uuid);
  const auto fresh = path + ".new";
  const Json json{{"boot", boot_},
                  {"until_ns", one.until.count()},
                  {"state", Json::parse(print_hand_over(one.state))}};
  const UniqueFd fd(
      ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return fail_errno(errno, "cannot write " + fresh);
  if (const auto done = write_all(fd.get(), json.dump() + "\n"); !done) {
    ::unlink(fresh.c_str());
    return fail_errno(done.error().code, "cannot write " + fresh);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0)
    return fail_errno(errno, "cannot rename " + fresh + " to " + path);
  return {};
}

Result<void> AwaitedVms::add(HandOver state, Nanoseconds now) {
  const std::lock_guard lock(mutex_);
  if (all_.size() >= max_vms && !all_.contains(state.uuid))
    return fail(ENOSPC, std::to_string(max_vms) + " states wait for their VMs already: try again when "
                                                  "some of those have come, or after ten minutes");
  const auto uuid = state.uuid;
  One one{std::move(state), now + await_for, false};
  if (auto kept = keep(one); !kept) return kept;
  all_[uuid] = std::move(one);
  return {};
}

void AwaitedVms::apply_all(Nanoseconds now, const std::function<bool(const HandOver&)>& apply) {
  const std::lock_guard lock(mutex_);
  forget_if([now](const One& one) { return now > one.until; });
  for (auto& [uuid, one] : all_) {
    one.until = std::min(one.until, now + await_for);
    one.is_applied = apply(one.state);
  }
}

void AwaitedVms::forget_applied() {
  const std::lock_guard lock(mutex_);
  forget_if([](const One& one) { return one.is_applied; });
}

void AwaitedVms::forget_if(const std::function<bool(const One&)>& is_over) {
  std::erase_if(all_, [&](const auto& entry) {
    if (!is_over(entry.second)) return false;
    const auto path = path_of(entry.first);
    if (!directory_.empty() && ::unlink(path.c_str()) != 0 && errno != ENOENT)
      problems_.push_back({errno, "cannot remove " + path + ", which is not needed any more"});
    return true;
  });
}

std::vector<Error> AwaitedVms::take_problems() {
  const std::lock_guard lock(mutex_);
  return std::exchange(problems_, {});
}

}  // namespace vpowercap
