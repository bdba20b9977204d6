// SPDX-License-Identifier: Apache-2.0
// Reading and writing of learned idle power.
#include "host/sampler/idle_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/base/file.hpp"

namespace vpowercap {
namespace {

using Json = nlohmann::json;

constexpr std::size_t max_size = std::size_t{8} << 20;
constexpr int version = 1;
constexpr double most_ticks = 1e9;

/// Puts one [class, lowest µW, ticks] into the zone; false when it is none.
bool read_cell(const Json& json, IdleLearner::Zone& zone) {
  if (!json.is_array() || json.size() != 3 || !json[0].is_number_unsigned() ||
      !json[1].is_number_unsigned() || !json[2].is_number())
    return false;
  const auto index = json[0].get<std::uint64_t>();
  const auto lowest_uw = json[1].get<std::uint64_t>();
  const auto weight = json[2].get<double>();
  if (index >= zone.size() || lowest_uw == 0 || !(weight > 0 && weight <= most_ticks)) return false;
  zone[index][IdleLearner::level_of(lowest_uw)] = {lowest_uw, weight};
  return true;
}

std::optional<IdleLearner::Memory> read_memory(const Json& json) {
  if (!json.is_object() || json.value("version", Json()) != version) return std::nullopt;
  const auto zones = json.find("zones");
  if (zones == json.end() || !zones->is_array()) return std::nullopt;
  IdleLearner::Memory memory;
  for (const auto& item : *zones) {
    if (!item.is_object() || !item.contains("name") || !item["name"].is_string() ||
        !item.contains("cells") || !item["cells"].is_array())
      return std::nullopt;
    auto& zone = memory[item["name"].get<std::string>()];
    for (const auto& cell : item["cells"])
      if (!read_cell(cell, zone)) return std::nullopt;
  }
  return memory;
}

Result<void> write_file(const std::string& path, const std::string& text) {
  const UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!fd) return fail_errno(errno, "cannot write " + path);
  if (const auto done = write_all(fd.get(), text); !done)
    return fail_errno(done.error().code, "cannot write " + path);
  if (::fsync(fd.get()) != 0) return fail_errno(errno, "cannot write " + path);
  return {};
}

}  // namespace

std::optional<IdleLearner::Memory> parse_idle_memory(std::string_view text) {
  return read_memory(Json::parse(text, nullptr, false));
}

std::string print_idle_memory(const IdleLearner::Memory& memory) {
  Json zones = Json::array();
  for (const auto& [name, zone] : memory) {
    Json cells = Json::array();
    for (std::size_t i = 0; i < zone.size(); ++i)
      for (const auto& [level, cell] : zone[i])
        cells.push_back(Json::array({i, cell.lowest_uw, cell.weight}));
    zones.push_back({{"name", name}, {"cells", std::move(cells)}});
  }
  const Json json{{"version", version}, {"zones", std::move(zones)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<IdleLearner::Memory> IdleFile::load() const {
  const auto text = read_file_at(AT_FDCWD, path_, max_size);
  if (!text && text.error().code == ENOENT) return fail(ENOENT, path_ + " is not there");
  if (!text) return fail_errno(text.error().code, "cannot read " + path_);
  auto memory = parse_idle_memory(*text);
  if (!memory) return fail(EPROTO, path_ + " does not hold learned idle power of version 1");
  return std::move(*memory);
}

Result<void> IdleFile::save(const IdleLearner::Memory& memory) {
  if (memory.empty()) return {};
  auto text = print_idle_memory(memory);
  if (text == written_) return {};
  if (::mkdir(directory_.c_str(), 0755) != 0 && errno != EEXIST)
    return fail_errno(errno, "cannot make " + directory_);
  const std::string fresh = path_ + ".new";
  if (const auto done = write_file(fresh, text); !done) return done;
  if (::rename(fresh.c_str(), path_.c_str()) != 0) return fail_errno(errno, "cannot replace " + path_);
  written_ = std::move(text);
  return {};
}

}  // namespace vpowercap
