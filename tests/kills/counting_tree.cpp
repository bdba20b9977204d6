// SPDX-License-Identifier: Apache-2.0
// Zones whose counters grow with the clock.
#include "tests/kills/counting_tree.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace vpowercap::testing {
namespace {

constexpr std::uint64_t range_uj = 65'532'610'987;

void write(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  if (!(file << text << '\n')) throw std::runtime_error("cannot write " + path);
}

}  // namespace

CountingTree::CountingTree(const std::string& class_directory) {
  zones_.push_back({"intel-rapl:0", 140'000'000, 1'000'000, {}});
  zones_.push_back({"intel-rapl:0:0", 12'000'000, 1'000'000, {}});
  zones_.push_back({"intel-rapl:1", 85'000'000, range_uj - 500'000'000, {}});
  const std::array names = {"package-0", "dram", "package-1"};
  for (std::size_t i = 0; i < zones; ++i) {
    auto& zone = zones_[i];
    const auto at = class_directory + "/" + zone.id + "/";
    std::filesystem::create_directories(at);
    write(at + "name", names[i]);
    write(at + "max_energy_range_uj", std::to_string(range_uj));
    zone.file.reset(::open((at + "energy_uj").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!zone.file) throw std::runtime_error("cannot write " + at + "energy_uj");
    show(i);
  }
}

/// The text always has the same length, so that no reader meets half a number.
void CountingTree::show(std::size_t number) const {
  const auto& zone = zones_[number];
  const auto raw = (zone.first_uj + drawn_uj_[number]) % range_uj;
  std::array<char, 24> text;
  const auto length =
      std::snprintf(text.data(), text.size(), "%016llu\n", static_cast<unsigned long long>(raw));
  if (::pwrite(zone.file.get(), text.data(), static_cast<std::size_t>(length), 0) != length)
    throw std::runtime_error("cannot write " + zone.id);
}

void CountingTree::run(const std::stop_token& stop) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  while (!stop.stop_requested()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const std::chrono::duration<double> passed = Clock::now() - start;
    for (std::size_t i = 0; i < zones; ++i) {
      drawn_uj_[i] =
          static_cast<std::uint64_t>(static_cast<double>(zones_[i].power_uw) * passed.count());
      show(i);
    }
  }
}

void CountingTree::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void CountingTree::stop() { thread_ = {}; }

}  // namespace vpowercap::testing
