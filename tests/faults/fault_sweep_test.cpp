// SPDX-License-Identifier: Apache-2.0
// Every call that the daemon's sampling makes on files of /sys and /proc goes wrong in every way, once
// and for three ticks. VPOWERCAP_FAULT_STRIDE: only each so many-th call (1: all).
#include <algorithm>
#include <cstring>
#include <iostream>

#include "host/rapl/powercap_source.hpp"
#include "host/sampler/sampler.hpp"
#include "tests/faults/injector.hpp"
#include "tests/kills/ledger_laws.hpp"
#include "tests/support/small_host.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;
using testing::Call;
using testing::Fault;
using testing::FaultKind;
using testing::LedgerLaws;
using testing::SmallHost;

constexpr int faulty_ticks = 14;
constexpr int ticks = 26;

std::uint64_t stride() {
  const char* text = std::getenv("VPOWERCAP_FAULT_STRIDE");
  return text == nullptr ? 29 : std::strtoull(text, nullptr, 10);
}

/// What a run came to.
struct Outcome {
  std::vector<Call> calls;
  HostRecord host;
  std::vector<VmRecord> vms;
  std::vector<std::string> problems;
  std::uint64_t gaps = 0, looks = 0, decreasing = 0;
  std::uint64_t lost_ns = 0;
  std::string broken;  ///< the first law that was
  std::uint64_t tick_uj = 0;  ///< what all zones draw in a tick

  /// Looks whether a VM has energy of more ticks than the fault can have moved, beside another run.
  void expect_no_spike(const Outcome& reference, std::uint64_t moved_ticks) {
    for (const auto& vm : vms)
      for (const auto& other : reference.vms) {
        const bool is_same = vm.uuid == other.uuid && broken.empty();
        if (is_same && energy_uj(vm) > energy_uj(other) + moved_ticks * tick_uj)
          broken = "a VM's energy leaps";
      }
  }
  static std::uint64_t energy_uj(const VmRecord& vm) {
    return vm.energy_sum(EnergyDomain::package) + vm.energy_sum(EnergyDomain::dram);
  }

  /// True when it left the same ledger.
  [[nodiscard]] bool equals(const Outcome& other) const {
    return std::memcmp(&host, &other.host, sizeof host) == 0 && vms.size() == other.vms.size() &&
           std::equal(vms.begin(), vms.end(), other.vms.begin(),
                      [](const auto& a, const auto& b) { return std::memcmp(&a, &b, sizeof a) == 0; });
  }
};

/// A host of two VMs and then three, over 26 ticks; a fault in the first 14. A CPU comes and goes.
class Trial {
 public:
  Outcome play(const Fault& fault) {
    host_.start_vm();
    host_.start_vm();
    host_.pass_time();
    auto ledger = LedgerWriter::open({.path = host_.path("ledger"), .group = ""});
    EXPECT_TRUE(ledger) << ledger.error().message;
    reader_ = LedgerReader::open(host_.path("ledger")).value();
    testing::arm_faults(host_.proc_root() + "/", fault);
    try {
      sample(std::move(*ledger));
    } catch (const std::exception& error) {
      complain(std::string("threw: ") + error.what());
    }
    if (outcome_.calls.empty()) outcome_.calls = testing::disarm_faults();
    outcome_.looks = laws_.looks();
    outcome_.decreasing = laws_.decreasing();
    if (laws_.errors() + laws_.decreasing() + laws_.unbalanced() > 0) complain("a look at the ledger");
    outcome_.host = laws_.host();
    outcome_.vms = reader_->vms();
    for (const auto& zone : host_.zones()) outcome_.tick_uj += zone.power_uw;
    for (std::uint32_t i = 0; i < outcome_.host.zone_count; ++i) {
      outcome_.gaps += outcome_.host.zones[i].gaps;
      outcome_.lost_ns += outcome_.host.zones[i].lost_ns;
    }
    for (const auto& vm : outcome_.vms) outcome_.gaps += vm.gaps;
    return outcome_;
  }

 private:
  void complain(const std::string& law) {
    if (outcome_.broken.empty()) outcome_.broken = law;
  }

  void sample(LedgerWriter ledger) {
    AccountOptions account{.idle_uw = {10'000'000}};
    Sampler sampler({host_.proc_root(), host_.sysfs_root(), 1s, account, {}, host_.libvirt_pid_dir()},
                    std::make_unique<PowercapSource>(host_.sysfs_root() + "/class/powercap", host_),
                    std::move(ledger),
                    [this](const Error& error) { outcome_.problems.push_back(error.message); });
    for (int tick = 0; tick < ticks; ++tick) {
      if (tick == 4) host_.start_vm();
      if (tick == 8) host_.end_vm();
      if (tick % 5 == 0 || tick == 4 || tick == 8)
        sampler.set_vms(host_.vms());  // as libvirt lists them
      if (tick == 6) host_.plug_cpu();
      if (tick == 9) host_.unplug_cpu();
      if (tick == faulty_ticks) outcome_.calls = testing::disarm_faults();
      sampler.tick(host_.now(), host_.now());
      testing::pass_tick();
      look();
      if (tick + 1 < ticks) host_.pass_time();
    }
    expect_recovery();
  }

  void look() {
    laws_.look(*reader_);
    for (std::uint32_t i = 0; i < laws_.host().zone_count; ++i) {
      const auto& zone = laws_.host().zones[i];
      const auto drawn = true_zone(zone).drawn_uj;
      if (zone.taken_ns == 0) continue;
      const auto base = base_uj_.try_emplace(std::string(zone.id.view()), drawn).first->second;
      if (zone.energy_uj > drawn - base) complain("a zone has more energy than was drawn");
      if (zone.lost_ns == 0 && zone.taken_ns == now() && zone.energy_uj != drawn - base)
        complain("a zone has less energy than was drawn");
    }
    for (const auto& vm : host_.vms())
      if (const auto record = reader_->find(vm.uuid); record && record->work_ns > host_.work_ns(vm))
        complain("a VM is charged for more work than it did");
  }
  /// Long after the fault everything counts again.
  void expect_recovery() {
    for (const auto& zone : host_.zones()) {
      const auto& all = laws_.host().zones;
      const auto found =
          std::ranges::find_if(all, [&](const auto& z) { return z.id.view() == zone.id; });
      if (found == all.end()) complain(zone.id + " is missing");
      else if (found->taken_ns != now() || found->power_uw < zone.power_uw ||
               found->power_uw > zone.power_uw + SmallHost::odd_uw)
        complain(zone.id + " does not count any more");
    }
    for (const auto& vm : host_.vms()) {
      const auto record = reader_->find(vm.uuid);
      if (!record || record->state != VmState::running || record->sampled_ns != now() ||
          record->power_uw == 0)
        complain("a VM is not counted any more");
    }
  }
  [[nodiscard]] std::uint64_t now() const { return static_cast<std::uint64_t>(host_.now().count()); }
  [[nodiscard]] const SmallHost::Zone& true_zone(const HostZoneRecord& zone) const {
    return *std::ranges::find_if(host_.zones(), [&](const auto& z) { return z.id == zone.id.view(); });
  }

  SmallHost host_{SmallHost::More::helpers_and_traffic};
  std::optional<LedgerReader> reader_;
  LedgerLaws laws_;
  std::map<std::string, std::uint64_t> base_uj_;  ///< drawn before the counting began
  Outcome outcome_;
};

/// True when what a call on the faulty file came to says that something has ended or is not there:
/// life, and no fault.
bool says_so(const FaultKind& kind) {
  using enum FaultKind::Read;
  const auto& file = testing::faulty_file();
  if (kind.error == ENOENT || kind.error == ESRCH) return true;
  if (file.ends_with(".pid")) return kind.read == empty || kind.read == shortened;  // half written
  if (kind.read != empty) return false;
  // No groups, a process that has ended, no threads.
  return file.ends_with("/cgroup") || file.ends_with("/cmdline") || file.ends_with("/tasks");
}

TEST(FaultSweep, EachIsCountedOrWithoutEffect) {
  const auto reference = Trial().play({});
  ASSERT_EQ(reference.broken, "");
  ASSERT_EQ(reference.problems, std::vector<std::string>());
  std::uint64_t runs = 0, faults = 0, counted = 0, harmless = 0, ended = 0, silent = 0, broken = 0,
                lossy = 0, looks = 0, decreasing = 0;
  std::uint64_t turn = 0;
  for (const auto& kind : testing::fault_kinds)
    for (const std::uint64_t for_ticks : {0, 3})
      for (std::uint64_t nth = turn++ % stride(); nth < reference.calls.size(); nth += stride()) {
        if (kind.error == 0 && reference.calls[nth] != Call::read) continue;
        if (kind.error == EINTR && for_ticks > 0) continue;  // it asks to try again at once
        auto outcome = Trial().play({&kind, nth, for_ticks});
        outcome.expect_no_spike(reference, 1 + for_ticks);
        ++runs;
        if (testing::faults_made() == 0) outcome.broken = "the fault did not come about";
        faults += testing::faults_made();
        looks += outcome.looks;
        decreasing += outcome.decreasing;
        lossy += outcome.lost_ns > reference.lost_ns ? 1 : 0;
        const bool is_counted = outcome.gaps > reference.gaps || !outcome.problems.empty();
        const bool is_harmless = outcome.equals(reference);
        counted += is_counted ? 1 : 0;
        harmless += !is_counted && is_harmless ? 1 : 0;
        const bool is_end = !is_counted && !is_harmless && says_so(kind);
        ended += is_end ? 1 : 0;
        silent += !is_counted && !is_harmless && !is_end ? 1 : 0;
        broken += outcome.broken.empty() ? 0 : 1;
        if (outcome.broken.empty() && (is_counted || is_harmless || is_end)) continue;
        ADD_FAILURE() << kind.name << " at call " << nth << " for " << for_ticks << " ticks, "
                      << testing::faulty_file() << ": "
                      << (outcome.broken.empty() ? "changed the ledger and was not counted"
                                                 : outcome.broken);
      }
  std::cout << runs << " runs of " << ticks << " ticks with " << reference.calls.size()
            << " calls: " << faults << " faults; " << counted << " runs counted them, " << harmless
            << " were as without, " << ended << " took it for an end, " << silent << " silent, "
            << broken << " broke a law\n"
            << looks << " reads of the ledger: " << decreasing << " decreasing; " << lossy
            << " runs lost energy\n";
  EXPECT_GT(counted, 0u);
}

}  // namespace
}  // namespace vpowercap
