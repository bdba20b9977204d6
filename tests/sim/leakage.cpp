// SPDX-License-Identifier: Apache-2.0
// How many bits a VM can pass to its neighbour's energy counter: a sender that works or does not, a
// receiver that always works and reads its own counter. Prints JSON.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>

#include "host/sampler/account.hpp"
#include "tests/sim/decoder.hpp"
#include "tests/sim/power_model.hpp"
#include "tests/sim/random.hpp"

namespace {

using namespace vpowercap;
using namespace std::chrono_literals;
using nlohmann::json;

constexpr std::uint32_t cores = 8;
constexpr std::uint32_t sender_cores = 4;
constexpr std::uint32_t receiver_cores = 2;
constexpr double second_ns = 1e9;

Uuid uuid_of(std::uint8_t number) {
  Uuid uuid;
  uuid.bytes[15] = number;
  return uuid;
}

/// A package of the simulated host in ticks of 1 s: what the energy counter and the schedulers show.
class Package {
 public:
  explicit Package(const VmSettings& receiver)
      : account_(AccountOptions{.idle_uw = {static_cast<std::uint64_t>(model_.static_w * 1e6)}}) {
    account_.describe_host(Method::rapl, cores, {0});
    account_.admit(vm(1, sender_cores, {}), now_);
    account_.admit(vm(2, receiver_cores, receiver), now_);
    tick(false);
  }

  /// The sender works for all of the tick or not at all.
  void tick(bool sends) {
    // The host's own load comes and goes, and a reading is late by some microseconds.
    host_load_ = std::clamp(host_load_ + random_.between(-0.05, 0.05), 0.0, 0.5);
    const double length_s = 1 + random_.between(-1e-4, 1e-4);
    std::vector<sim::Running> running(receiver_cores + (sends ? sender_cores : 0));
    for (std::uint32_t i = 0; i < running.size(); ++i) running[i].core = i;
    const auto without = power(running);
    running.push_back({static_cast<std::uint32_t>(running.size())});
    const auto watts = without + (power(running) - without) * host_load_;
    energy_j_ += (model_.static_w + watts) * length_s;
    now_ += Nanoseconds(static_cast<std::int64_t>(length_s * second_ns));

    const auto ns = [&](double cpus) {
      return static_cast<std::uint64_t>(cpus * length_s * second_ns);
    };
    const auto sender = sends ? ns(sender_cores) : 0;
    const auto receiver = ns(receiver_cores);
    const auto raw = static_cast<std::uint64_t>(energy_j_ * 16384) * 1'000'000 / 16384;
    Tick tick{.now = now_};
    tick.zones = {
        {"intel-rapl:0", "package-0", EnergyDomain::package, 0, 262143328850, raw % range, now_}};
    tick.busy_ns = {{0, sender + receiver + ns(host_load_)}};
    tick.vms = {worked(1, sender), worked(2, receiver)};
    (void)account_.book(tick);
  }

  [[nodiscard]] double counter_j() const {
    return static_cast<double>(account_.vms().at(uuid_of(2)).published_sum(EnergyDomain::package)) /
           1e6;
  }

 private:
  static constexpr std::uint64_t range = 262143328850;

  static VmDescription vm(std::uint8_t number, std::uint32_t vcpus, VmSettings settings) {
    VmDescription description{
        .uuid = uuid_of(number), .name = "vm", .pid = number, .pid_start_ticks = 1};
    description.topology = {vcpus, 1};
    description.settings = settings;
    return description;
  }
  static VmTick worked(std::uint8_t number, std::uint64_t ns) {
    VmTick vm{.uuid = uuid_of(number), .alive = 1s};
    vm.work[0] = {ns, {ns}};
    return vm;
  }
  [[nodiscard]] double power(const std::vector<sim::Running>& running) const {
    return sim::power_of(model_, cores, running).package_w;
  }

  sim::PowerModel model_;
  sim::Random random_{11};
  Account account_;
  Nanoseconds now_ = 1000s;
  double energy_j_ = 1000;
  double host_load_ = 0.2;
};

struct Channel {
  double bits_per_s = 0;
  std::uint64_t symbol_s = 0;  ///< that gave it
};

/// Lengths of symbols to try, in s: some grids, and what suits slow prices.
std::set<std::uint64_t> symbol_lengths(std::uint64_t grid) {
  std::set<std::uint64_t> lengths{60, 120, 240, 480, 960};
  for (const std::uint64_t grids : {1, 2, 4, 8, 16}) lengths.insert(grids * grid);
  return lengths;
}

/// The best over the length of symbols.
Channel channel(const VmSettings& settings) {
  const auto grid = settings.grid_ns / 1'000'000'000;
  Channel best;
  for (const auto symbol : symbol_lengths(grid)) {
    Package package(settings);
    sim::Random bits(5);
    for (std::uint64_t i = 0; i < 4000; ++i) package.tick(bits.unit() < 0.5);
    std::vector<bool> sent;
    std::vector<double> steps;
    double last = package.counter_j();
    for (int i = 0; i < 600; ++i) {
      sent.push_back(bits.unit() < 0.5);
      for (std::uint64_t t = 0; t < symbol; ++t) package.tick(sent.back());
      const auto now = package.counter_j();
      steps.push_back(now - last);
      last = now;
    }
    const auto most = sim::most_bits_per_symbol(steps, sent);
    const auto rate = most / static_cast<double>(symbol);
    if (rate > best.bits_per_s) best = {rate, symbol};
  }
  return best;
}

/// Correlation of the counter's steps with a neighbour that works for two grids and rests for two.
double correlation(const VmSettings& settings) {
  const auto grid = settings.grid_ns / 1'000'000'000;
  Package package(settings);
  const auto sends = [grid](std::uint64_t second) { return second / (2 * grid) % 2 == 1; };
  std::uint64_t second = 0;
  for (; second < 4800; ++second) package.tick(sends(second));
  std::vector<double> loads;
  std::vector<double> steps;
  double last = package.counter_j();
  for (int i = 0; i < 600; ++i) {
    double load = 0;
    for (std::uint64_t t = 0; t < grid; ++t, ++second) {
      load += sends(second) ? 1 : 0;
      package.tick(sends(second));
    }
    loads.push_back(load);
    steps.push_back(package.counter_j() - last);
    last = package.counter_j();
  }
  return sim::correlation(loads, steps);
}

}  // namespace

int main() {
  json list = json::array();
  for (const std::uint64_t grid_s : {1, 10, 60})
    for (const std::uint32_t blind_s : {0u, 60u, 300u, 3600u}) {
      const VmSettings settings{.grid_ns = grid_s * 1'000'000'000, .blind_seconds = blind_s};
      const auto found = channel(settings);
      list.push_back({{"grid", grid_s},
                      {"neighbour_blind", blind_s},
                      {"bits_per_second", found.bits_per_s},
                      {"symbol_seconds", found.symbol_s},
                      {"correlation", correlation(settings)}});
    }
  std::cout << list.dump(1) << "\n";
}
