// SPDX-License-Identifier: Apache-2.0
// A powercap tree that goes on counting: the energy that a host truly draws is known.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "common/base/unique_fd.hpp"

namespace vpowercap::testing {

/// Two packages and the first one's dram, below a directory. The second package wraps soon after the
/// start; all count as AMD's do, up to 65.5 kJ.
class CountingTree {
 public:
  /// Writes the tree, standing still. Throws std::runtime_error.
  explicit CountingTree(const std::string& class_directory);
  ~CountingTree() { stop(); }
  CountingTree(const CountingTree&) = delete;
  CountingTree& operator=(const CountingTree&) = delete;

  /// Counts on a thread, every 2 ms, from now until stop().
  void start();
  void stop();

  static constexpr std::size_t zones = 3;
  /// The zone's name in the tree.
  [[nodiscard]] const std::string& id(std::size_t zone) const { return zones_[zone].id; }
  /// What the zone has counted since start(), µJ; never less than what its file shows. Thread-safe.
  [[nodiscard]] std::uint64_t drawn_uj(std::size_t zone) const { return drawn_uj_[zone]; }

 private:
  struct Zone {
    std::string id;
    std::uint64_t power_uw;
    std::uint64_t first_uj;
    UniqueFd file;
  };
  void run(const std::stop_token& stop);
  void show(std::size_t zone) const;

  std::vector<Zone> zones_;
  std::array<std::atomic<std::uint64_t>, zones> drawn_uj_{};
  std::jthread thread_;
};

}  // namespace vpowercap::testing
