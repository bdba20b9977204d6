// SPDX-License-Identifier: Apache-2.0
// The named scenarios.
#include <cmath>

#include "tests/sim/bench.hpp"

namespace vpowercap::sim {
namespace {

Load steady(double load) {
  return [load](double) { return load; };
}

/// `low` and `high` in turn, each for half of `period_s`, shifted by `phase_s`.
Load alternating(double low, double high, double period_s, double phase_s) {
  return [=](double s) { return std::fmod(s + phase_s, period_s) < period_s / 2 ? high : low; };
}

/// A VM with its main loop and an I/O thread beside the vCPUs.
ProcessSpec vm(std::uint32_t vcpus, const Load& load, double intensity = 1,
               std::vector<std::uint32_t> cpus = {}) {
  ProcessSpec spec{.vcpus = vcpus};
  spec.threads.push_back(
      {.comm = "qemu-system-x86", .load = steady(0.004), .burst_ms = 1, .cpus = cpus});
  spec.threads.push_back({.comm = "IO iothread1", .load = steady(0.004), .burst_ms = 1, .cpus = cpus});
  for (std::uint32_t i = 0; i < vcpus; ++i)
    spec.threads.push_back({.comm = "CPU " + std::to_string(i) + "/KVM",
                            .load = load,
                            .intensity = intensity,
                            .cpus = cpus});
  return spec;
}

/// Processes of the host's own: `threads` of them want `load` each.
ProcessSpec host_process(std::uint32_t threads, double load, double intensity = 1) {
  ProcessSpec spec{.comm = "host-service"};
  for (std::uint32_t i = 0; i < threads; ++i)
    spec.threads.push_back(
        {.comm = "host-service", .load = steady(load), .intensity = intensity, .burst_ms = 3});
  return spec;
}

/// A host is never without daemons of its own.
void start_host_daemons(Stage& stage) { stage.host.start(host_process(2, 0.02)); }

HostShape one_socket() { return {}; }
HostShape two_sockets() { return {.packages = 2}; }

/// CPUs of one package, or of some of its cores.
std::vector<std::uint32_t> cpus_of(const HostShape& shape, std::uint32_t package,
                                   std::uint32_t from = 0, std::uint32_t cores = 64) {
  std::vector<std::uint32_t> cpus;
  for (std::uint32_t cpu = 0; cpu < shape.cpus(); ++cpu) {
    const auto core = shape.core_of(cpu) % shape.cores;
    if (shape.package_of(cpu) == package && core >= from && core < from + cores) cpus.push_back(cpu);
  }
  return cpus;
}

void one_vm(Stage& stage) { stage.start_vm(vm(4, steady(0.7))); }

void equal_vms(Stage& stage) {
  for (int i = 0; i < 4; ++i) stage.start_vm(vm(4, steady(0.4)));
}

void noisy_neighbour(Stage& stage) {
  stage.start_vm(vm(8, steady(1)));
  for (int i = 0; i < 4; ++i) stage.start_vm(vm(2, steady(0.1)));
}

void idle_tenants(Stage& stage) {
  stage.start_vm(vm(4, steady(0.5)));
  for (int i = 0; i < 6; ++i) stage.start_vm(vm(2, steady(0.005)));
}

void overcommit(Stage& stage) {
  for (int i = 0; i < 8; ++i) stage.start_vm(vm(4, steady(0.4 + 0.1 * i)));
}

void two_socket_host(Stage& stage) {
  for (int i = 0; i < 6; ++i) stage.start_vm(vm(4, steady(0.1 + 0.15 * i), 0.95 + 0.02 * i));
}

void pinned(Stage& stage) {
  const auto& shape = stage.host.shape();
  stage.start_vm(vm(8, steady(0.9), 1, cpus_of(shape, 0)));
  stage.start_vm(vm(4, steady(0.3), 1, cpus_of(shape, 0)));
  stage.start_vm(vm(4, steady(0.15), 1, cpus_of(shape, 1)));
  stage.start_vm(vm(4, steady(0.05), 1, cpus_of(shape, 1)));
}

void smt_pairs(Stage& stage) {
  // Two VMs own both siblings of their cores, two have a core for each vCPU.
  const auto& shape = stage.host.shape();
  const auto siblings = cpus_of(shape, 0, 0, 2);
  stage.start_vm(vm(4, steady(1), 1, siblings));
  stage.start_vm(vm(4, steady(0.8), 1, cpus_of(shape, 0, 2, 2)));
  const auto alone = [&](std::uint32_t core) { return cpus_of(shape, 0, core, 2); };
  stage.start_vm(vm(2, steady(1), 1, {alone(4)[0], alone(4)[1]}));
  stage.start_vm(vm(2, steady(0.8), 1, {alone(6)[0], alone(6)[1]}));
}

void short_lived(Stage& stage) {
  stage.start_vm(vm(4, steady(0.3)));
  const double lives[] = {3.3, 7.7, 12.4, 5.2, 1.6, 18.9, 2.5, 9.1, 4.4, 15.3};
  double start = warm_up_s + 1.234;
  for (int i = 0; i < 20; ++i) {
    const double life = lives[i % 10];
    stage.at(start, [&stage, life, i] {
      const auto made = stage.start_vm(vm(2, steady(0.4 + 0.05 * (i % 10))));
      stage.at(static_cast<double>(stage.host.now_ms()) / 1000 + life,
               [&stage, made] { stage.end_vm(made); });
    });
    start += 7.913;
  }
}

void mixed_loads(Stage& stage) {
  stage.start_vm(vm(4, steady(0.8)));
  stage.start_vm(vm(4, steady(0.3), 0.95));
  stage.start_vm(vm(2, alternating(0.1, 0.9, 14, 3), 1.05));
  stage.start_vm(vm(4, steady(0.05)));
}

void thread_migration(Stage& stage) {
  const auto& shape = stage.host.shape();
  const auto wanderer = stage.start_vm(vm(4, steady(0.7), 1, cpus_of(shape, 0)));
  const auto other = stage.start_vm(vm(2, steady(0.5), 1, cpus_of(shape, 1)));
  stage.start_vm(vm(8, steady(0.6), 1, cpus_of(shape, 0)));
  stage.start_vm(vm(4, steady(0.1), 1, cpus_of(shape, 1)));
  for (int i = 0; i < 90; ++i)
    stage.at(2.3 + 2.171 * i, [&stage, wanderer, other, i] {
      const auto p = static_cast<std::uint32_t>(i % 2);
      stage.host.pin(wanderer, cpus_of(stage.host.shape(), 1 - p));
      stage.host.pin(other, cpus_of(stage.host.shape(), p));
    });
}

void host_load(Stage& stage) {
  stage.host.start(host_process(6, 0.8, 1.05));
  stage.start_vm(vm(4, steady(0.5)));
  stage.start_vm(vm(4, steady(0.1)));
  stage.start_vm(vm(2, steady(0.9)));
}

void waves(Stage& stage) {
  for (int i = 0; i < 5; ++i) stage.start_vm(vm(4, alternating(0.02, 0.95, 17 + 6 * i, 5 * i)));
}

void instruction_mix(Stage& stage) {
  const double intensity[] = {0.7, 0.85, 1, 1.15, 1.3};
  for (const double factor : intensity) {
    auto spec = vm(3, steady(0.6), factor);
    for (auto& thread : spec.threads) thread.memory = 1.5 - factor;
    stage.start_vm(spec);
  }
}

void busy_helpers(Stage& stage) {
  for (int i = 0; i < 3; ++i) {
    auto spec = vm(4, steady(0.3));
    spec.threads[0].load = steady(0.1);
    spec.threads[1].load = steady(0.2 + 0.25 * i);
    stage.start_vm(spec);
  }
}

}  // namespace

Scenario memory_mix(bool resctrl) {
  HostShape shape = two_sockets();
  shape.dram = true;
  shape.resctrl = resctrl;
  return {"memory mix", "", shape, [](Stage& stage) {
            start_host_daemons(stage);
            for (const double memory : {0.02, 0.1, 0.3, 0.6, 1.0}) {
              auto spec = vm(4, steady(0.5));
              for (auto& thread : spec.threads) thread.memory = memory;
              stage.start_vm(spec);
            }
          }};
}

std::vector<Scenario> scenarios() {
  std::vector<Scenario> all;
  const auto add = [&all](std::string name, std::string text, const HostShape& shape,
                          void (*play)(Stage&)) -> Scenario& {
    all.push_back({std::move(name), std::move(text), shape, [play](Stage& stage) {
                     start_host_daemons(stage);
                     play(stage);
                   }});
    return all.back();
  };
  add("one VM alone", "4 vCPUs at 70 %.", one_socket(), one_vm);
  add("equal VMs", "Four VMs of 4 vCPUs at 40 %.", one_socket(), equal_vms);
  add("noisy neighbour", "8 vCPUs at 100 % beside four VMs of 2 vCPUs at 10 %.", one_socket(),
      noisy_neighbour);
  add("idle tenants", "4 vCPUs at 50 % beside six VMs of 2 vCPUs at 0.5 %.", one_socket(),
      idle_tenants);
  add("overcommit", "Eight VMs of 4 vCPUs at 40 to 110 % on 16 CPUs.", one_socket(), overcommit);
  add("two sockets", "Six VMs of 4 vCPUs at 10 to 85 %, free to run anywhere.", two_sockets(),
      two_socket_host);
  add("pinned", "Four VMs pinned to their sockets, one socket busy, one nearly idle.", two_sockets(),
      pinned);
  add("SMT pairs", "Two VMs share cores with themselves, two have a core for each vCPU.", one_socket(),
      smt_pairs);
  add("short-lived VMs", "Twenty VMs of 2 vCPUs that live 1.6 to 18.9 s, beside one that stays.",
      one_socket(), short_lived);
  auto storm = one_socket();
  storm.range_uj = 500'000'000;
  add("wrap storm", "Counters wrap every 500 J, about every eight seconds.", storm, mixed_loads);
  add("missed ticks", "Every fifth sample of every system is 0.3 to 4 s late.", one_socket(),
      mixed_loads)
      .late = 0.2;
  add("thread migration", "Two VMs move to the other socket every 2.2 s.", two_sockets(),
      thread_migration);
  add("host load", "The host's own processes use a third of the CPUs.", one_socket(), host_load);
  add("load waves", "Five VMs that change between 2 % and 95 % at different times.", one_socket(),
      waves);
  add("instruction mix", "Equal CPU time, but instructions that draw 70 to 130 % of the mean power.",
      one_socket(), instruction_mix);
  add("busy helpers", "I/O threads that work as much as the vCPUs.", one_socket(), busy_helpers);
  return all;
}

}  // namespace vpowercap::sim
