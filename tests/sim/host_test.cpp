// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/host.hpp"

#include <cmath>

#include "tests/sim/bench.hpp"
#include "tests/sim/file_view.hpp"

namespace vpowercap::sim {
namespace {

ProcessSpec spinning(std::uint32_t vcpus, double load, std::vector<std::uint32_t> cpus = {}) {
  ProcessSpec spec{.vcpus = vcpus};
  for (std::uint32_t i = 0; i < vcpus; ++i)
    spec.threads.push_back({.comm = "CPU " + std::to_string(i) + "/KVM",
                            .load = [load](double) { return load; },
                            .cpus = cpus});
  return spec;
}

TEST(PowerModel, TwoBusySiblingsDrawABitMoreThanOneAndShareIt) {
  const PowerModel model{.wake_w = 0};
  const auto one = power_of(model, 4, std::vector<Running>{{0}});
  const auto two = power_of(model, 4, std::vector<Running>{{0}, {0}});
  EXPECT_DOUBLE_EQ(two.package_w, 1.1 * one.package_w);
  EXPECT_DOUBLE_EQ(two.of_package[0], two.of_package[1]);
}

TEST(PowerModel, ThePartsSumToTheWhole) {
  const auto power = power_of({}, 4, std::vector<Running>{{0, 1.3}, {0, 0.7}, {2, 1, 0.9}});
  EXPECT_NEAR(power.of_package[0] + power.of_package[1] + power.of_package[2], power.package_w, 1e-9);
  EXPECT_GT(power.of_package[0], power.of_package[1]);
}

TEST(Host, AllEnergyHasATrueOwner) {
  HostShape shape{.packages = 2};
  Host host(shape, 1);
  const auto start = host.energy();
  host.start(spinning(4, 0.7));
  host.start(spinning(8, 0.2));
  host.start({.comm = "host", .threads = spinning(2, 0.5).threads});
  for (int i = 0; i < 20'000; ++i) host.step();
  double owned = 0;
  for (const auto& process : host.processes())
    owned += process.package_dynamic_j + process.package_idle_j;
  double drawn = 0;
  for (std::size_t i = 0; i < 2; ++i) drawn += host.energy()[i].package_j - start[i].package_j;
  const double unowned_idle = 2 * 25.0 * 20 * (1 - 12.0 / 32);
  EXPECT_NEAR(owned + unowned_idle, drawn, 1e-6 * drawn);
}

TEST(Host, ThreadsGetTheCpuTimeTheyWantAndHalfWhenTwoShareOne) {
  Host host({}, 2);
  host.start(spinning(1, 0.3));
  const auto left = host.start(spinning(1, 1, {5}));
  const auto right = host.start(spinning(1, 1, {5}));
  for (int i = 0; i < 60'000; ++i) host.step();
  EXPECT_NEAR(static_cast<double>(host.threads()[0].run_ms), 18'000, 2'500);
  for (const auto process : {left, right})
    EXPECT_NEAR(static_cast<double>(host.threads()[host.processes()[process].threads[0]].run_ms),
                30'000, 50);
}

TEST(KernelFiles, ShowQuantisedEnergyAndStaleThreadTimes) {
  Host host({}, 3);
  host.start(spinning(4, 1));
  KernelFiles files(host);
  bool was_stale = false;
  for (int i = 0; i < 500; ++i) {
    host.step();
    files.write();
    const auto raw = static_cast<double>(read_packages(files.sysfs_root())[0]);
    const double units = std::ceil(raw / 1e6 * 16384);
    EXPECT_NEAR(raw, units / 16384 * 1e6, 1.0);
    for (const auto& thread : host.threads()) {
      EXPECT_LT(thread.run_ms - thread.shown_ms, 4);
      was_stale = was_stale || thread.shown_ms < thread.run_ms;
    }
  }
  EXPECT_TRUE(was_stale);
}

TEST(Bench, TheSameSeedGivesTheSameResult) {
  const auto scenario = scenarios().front();
  const auto once = run(scenario);
  const auto again = run(scenario);
  for (std::size_t i = 0; i < once.systems.size(); ++i)
    EXPECT_EQ(once.systems[i].total.mean, again.systems[i].total.mean);
}

}  // namespace
}  // namespace vpowercap::sim
