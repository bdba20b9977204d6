// SPDX-License-Identifier: Apache-2.0
// Our own code under comparison: the daemon's sampler on the simulated files, read from its ledger.
#include <stdexcept>

#include "common/ledger/reader.hpp"
#include "host/rapl/powercap_source.hpp"
#include "host/sampler/sampler.hpp"
#include "tests/sim/system.hpp"

namespace vpowercap::sim {
namespace {

using namespace std::chrono_literals;

Uuid uuid_of(std::size_t vm) {
  Uuid uuid;
  uuid.bytes[14] = static_cast<std::uint8_t>(vm >> 8);
  uuid.bytes[15] = static_cast<std::uint8_t>(vm);
  return uuid;
}

std::optional<std::uint64_t> microwatts(std::optional<double> watts) {
  if (!watts) return std::nullopt;
  return static_cast<std::uint64_t>(*watts * 1e6);
}

class Vpowercap final : public OurSystem {
 public:
  Vpowercap(const KernelFiles& files, const OurSettings& settings)
      : name_(settings.name), ledger_(files.ledger(name_)) {
    SamplerOptions options{.proc_root = files.proc_root(), .sysfs_root = files.sysfs_root()};
    options.account.idle_uw = {microwatts(settings.idle_w), 0, 0, microwatts(settings.idle_dram_w)};
    options.account.weights = settings.weights;
    options.idle = settings.learned;
    options.account.max_zone_uw = 400'000'000;
    auto ledger = LedgerWriter::open({ledger_, "", 60s, 1s});
    if (!ledger) throw std::runtime_error(ledger.error().message);
    sampler_ = std::make_unique<Sampler>(
        options, std::make_unique<PowercapSource>(files.sysfs_root() + "/class/powercap", clock_),
        std::move(*ledger), [](const Error& error) { throw std::runtime_error(error.message); });
  }

  [[nodiscard]] std::string name() const override { return name_; }
  [[nodiscard]] std::int64_t next_ms() const override { return next_ms_; }
  void vm_started(std::size_t vm, const Process& process) override {
    VmDescription description{.uuid = uuid_of(vm),
                              .name = "vm" + std::to_string(vm),
                              .pid = process.pid,
                              .pid_start_ticks = KernelFiles::start_ticks(process.born_ms)};
    description.topology = {process.vcpus, 1};
    seen_.push_back(vm);
    vms_[vm] = description;
    tell();
  }
  void vm_ended(std::size_t vm) override {
    vms_.erase(vm);
    tell();
  }
  void sample(std::int64_t now_ms) override {
    next_ms_ = now_ms + 1000;
    clock_.advance(std::chrono::milliseconds(now_ms - clock_ms_));
    clock_ms_ = now_ms;
    sampler_->tick(clock_.now(), std::chrono::milliseconds(now_ms + KernelFiles::boot_ms));
  }
  [[nodiscard]] Estimates estimates() const override {
    Estimates estimates;
    const auto ledger = LedgerReader::open(ledger_);
    if (!ledger) throw std::runtime_error(ledger.error().message);
    for (const auto vm : seen_) {
      const auto record = ledger->find(uuid_of(vm));
      if (!record) continue;
      auto& estimate = estimates[vm];
      estimate.total_j = static_cast<double>(record->energy_sum(EnergyDomain::package)) / 1e6;
      for (std::uint32_t socket = 0; socket < record->sockets; ++socket) {
        const auto dynamic_j = [&](EnergyDomain domain) {
          return static_cast<double>(record->zone(socket, domain).dynamic_uj) / 1e6;
        };
        estimate.dynamic_j += dynamic_j(EnergyDomain::package);
        estimate.dram_dynamic_j += dynamic_j(EnergyDomain::dram);
      }
    }
    return estimates;
  }

  IdleLearner::Memory idle_memory() override { return sampler_->idle_memory(); }
  [[nodiscard]] double idle_w() const override {
    const auto& host = sampler_->account().host();
    double sum_w = 0;
    for (std::uint32_t i = 0; i < host.zone_count; ++i)
      if (host.zones[i].domain == EnergyDomain::package)
        sum_w += static_cast<double>(host.zones[i].idle_power_uw) / 1e6;
    return sum_w / host.packages;
  }

 private:
  void tell() {
    std::vector<VmDescription> list;
    for (const auto& [vm, description] : vms_) list.push_back(description);
    sampler_->set_vms(std::move(list));
  }

  const std::string name_;
  const std::string ledger_;
  FakeClock clock_;
  std::int64_t clock_ms_ = 0;
  std::int64_t next_ms_ = 0;
  std::unique_ptr<Sampler> sampler_;
  std::map<std::size_t, VmDescription> vms_;
  std::vector<std::size_t> seen_;
};

}  // namespace

std::unique_ptr<OurSystem> make_vpowercap(const KernelFiles& files, const OurSettings& settings) {
  return std::make_unique<Vpowercap>(files, settings);
}

}  // namespace vpowercap::sim
