// SPDX-License-Identifier: Apache-2.0
// A daemon that finds its ledger or its learned idle power damaged: it goes on with every counter, or
// refuses with one sentence that names the file. VPOWERCAP_DAMAGED_FILES says how many of each.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>

#include "common/base/file.hpp"
#include "common/ledger/layout.hpp"
#include "common/ledger/reader.hpp"
#include "host/sampler/idle_file.hpp"
#include "host/sampler/sampler.hpp"
#include "tests/damage/damage.hpp"
#include "tests/support/fake_proc.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

int rounds() {
  const char* const text = std::getenv("VPOWERCAP_DAMAGED_FILES");
  return text != nullptr ? std::atoi(text) : 300;
}

struct OneZone final : EnergySource {
  ZoneReading zone;
  [[nodiscard]] Method method() const override { return Method::rapl; }
  std::vector<ZoneReading> sample() override { return {zone}; }
  std::vector<Error> take_problems() override { return {}; }
};

/// Everything that only grows, by what it is.
using Counters = std::map<std::string, std::uint64_t>;

void add_vm(Counters& seen, const VmRecord& vm) {
  const auto id = vm.uuid.to_string() + " ";
  seen[id + "work_ns"] = vm.work_ns;
  seen[id + "gaps"] = vm.gaps;
  for (std::uint32_t socket = 0; socket < vm.sockets; ++socket)
    for (const auto domain : virtual_domains) {
      const auto& zone = vm.zone(socket, domain);
      const auto name = id + std::to_string(socket) + " " + std::string(to_string(domain)) + " ";
      seen[name + "idle_uj"] = zone.idle_uj;
      seen[name + "dynamic_uj"] = zone.dynamic_uj;
      seen[name + "published_uj"] = zone.published_uj;
      seen[name + "shown_uj"] = zone.shown_uj;
    }
}

Counters all_counters(const LedgerReader& reader) {
  Counters seen;
  for (const auto& vm : reader.vms()) add_vm(seen, vm);
  if (const auto host = reader.host()) {
    seen["tick"] = host->tick;
    const auto& zone = host->zones[0];
    seen["host energy_uj"] = zone.energy_uj;
    seen["host remainder_uj"] = zone.remainder_uj;
    seen["host idle_uj"] = zone.idle_uj;
  }
  return seen;
}

/// Bytes of a ledger and where they begin in it.
struct Part {
  std::size_t begin = 0;
  std::string bytes;
};

constexpr std::size_t slot_begin(std::size_t slot) {
  return offsetof(LedgerLayout, vms) + slot * sizeof(Slot<VmRecord>);
}

/// A host with one package and two VMs, and the ledger of a daemon that ended.
struct DamagedLedger : ::testing::Test {
  testing::TempDir dir;
  const std::string path = dir.path("ledger");
  std::string bytes;  ///< up to behind the slots in use: all others are zeroes
  Counters seen;
  int gone_on = 0, refused = 0;

  static Uuid uuid(std::uint8_t number) {
    Uuid uuid;
    uuid.bytes.fill(number);
    return uuid;
  }
  std::unique_ptr<Sampler> start() {
    auto source = std::make_unique<OneZone>();
    auto ledger = LedgerWriter::open({path, "", 60s, 1s});
    if (!ledger) {
      EXPECT_EQ(ledger.error().code, EPROTO);
      EXPECT_NE(ledger.error().message.find(path), std::string::npos) << ledger.error().message;
      return nullptr;
    }
    SamplerOptions options{dir.path("proc"), dir.path("sys"), 1s,
                           {.policy = IdlePolicy::equal, .idle_uw = {3'000'000}}};
    source_ = source.get();
    return std::make_unique<Sampler>(options, std::move(source), std::move(*ledger),
                                     [](const Error&) {});
  }
  void tick(Sampler& sampler, int second) {
    const Nanoseconds now = 1000s + std::chrono::seconds(second);
    source_->zone = {"intel-rapl:0",
                     "package-0",
                     EnergyDomain::package,
                     0,
                     262143328850,
                     static_cast<std::uint64_t>(second) * 10'000'000,
                     now};
    for (const std::int64_t pid : {71, 72})
      testing::write_thread(proc_, pid, pid, "CPU 0/KVM",
                            static_cast<std::uint64_t>(second) * 400'000'000, 0);
    dir.write("proc/stat", "cpu0 " + std::to_string(second * 90) + " 0 0 0\n");
    sampler.tick(now, now);
  }
  void SetUp() override {
    dir.write("sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n");
    std::filesystem::create_directory_symlink(proc_.path(), dir.path("proc"));
    for (const std::int64_t pid : {71, 72}) testing::write_process(proc_, pid, "qemu", 1);
    const auto sampler = start();
    ASSERT_TRUE(sampler);
    std::vector<VmDescription> vms;
    for (const std::int64_t pid : {71, 72})
      vms.push_back({.uuid = uuid(static_cast<std::uint8_t>(pid)),
                     .name = "vm",
                     .pid = pid,
                     .pid_start_ticks = 1,
                     .topology = {.vcpus = 2, .sockets = 2}});
    tick(*sampler, 1);
    sampler->set_vms(vms);
    for (int second = 2; second < 8; ++second) tick(*sampler, second);
    const auto reader = LedgerReader::open(path);
    ASSERT_TRUE(reader);
    seen = all_counters(*reader);
    const auto vm = reader->find(uuid(71));
    ASSERT_TRUE(vm);
    const auto& zone = vm->zone(0, EnergyDomain::package);
    ASSERT_GT(std::min({zone.published_uj, zone.idle_uj, zone.dynamic_uj, vm->work_ns}), 1'000'000u);
    bytes = read_file_at(AT_FDCWD, path, sizeof(LedgerLayout)).value();
    bytes.resize(slot_begin(4));
  }
  /// The ledger with `content` in place of a part's bytes: cut off where that is cut off, and what it
  /// has more behind the end.
  void place(const Part& part, const std::string& content) const {
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600));
    const auto begin = std::string_view(content).substr(0, part.bytes.size());
    ASSERT_TRUE(write_all(fd.get(), bytes));
    ASSERT_EQ(::pwrite(fd.get(), begin.data(), begin.size(), static_cast<off_t>(part.begin)),
              static_cast<ssize_t>(begin.size()));
    const auto size =
        content.size() < part.bytes.size() ? part.begin + content.size() : sizeof(LedgerLayout);
    ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
    ASSERT_EQ(::lseek(fd.get(), 0, SEEK_END), static_cast<off_t>(size));
    ASSERT_TRUE(write_all(fd.get(), std::string_view(content).substr(begin.size())));
  }
  /// All before the slots without a VM, any one slot, or the counters of a VM.
  Part choose(std::mt19937_64& random) const {
    const auto kind = random() % 3;
    if (kind == 0) return {0, bytes};
    if (kind == 1) {
      const auto slot = random() % max_vms;
      if (slot >= 4) return {slot_begin(slot), std::string(sizeof(Slot<VmRecord>), '\0')};
      return {slot_begin(slot), bytes.substr(slot_begin(slot), sizeof(Slot<VmRecord>))};
    }
    const auto begin = slot_begin(random() % 2) + offsetof(Slot<VmRecord>, copies) +
                       random() % 2 * sizeof(VmRecord);
    return {begin, bytes.substr(begin, 1024)};
  }
  void check(const Part& part, const testing::Damaged& damaged) {
    const auto how = "from " + std::to_string(part.begin) + ": " + damaged.how;
    place(part, damaged.bytes);
    const auto sampler = start();
    if (!sampler) {
      ++refused;
      return;
    }
    ++gone_on;
    tick(*sampler, 8);
    const auto reader = LedgerReader::open(path);
    ASSERT_TRUE(reader) << how;
    const auto now = all_counters(*reader);
    for (const auto& [what, value] : seen) {
      const auto found = now.find(what);
      ASSERT_NE(found, now.end()) << how << ": " << what << " is gone";
      ASSERT_GE(found->second, value) << how << ": " << what << " went back";
    }
  }
  /// What the writer says of a ledger with another header, whose checksum is right.
  std::string refusal(void (*change)(LedgerHeader&)) const {
    auto changed = bytes;
    LedgerHeader header;
    std::memcpy(&header, changed.data(), sizeof header);
    change(header);
    header.check = header_checksum(header);
    std::memcpy(changed.data(), &header, sizeof header);
    place({0, bytes}, changed);
    const auto ledger = LedgerWriter::open({path, "", 60s, 1s});
    if (ledger) return "";
    EXPECT_EQ(ledger.error().code, EPROTO);
    EXPECT_NE(ledger.error().message.find(path), std::string::npos) << ledger.error().message;
    return ledger.error().message;
  }

 private:
  testing::TempDir proc_;
  OneZone* source_ = nullptr;
};

TEST_F(DamagedLedger, IsGoneOnWithOrRefusedByName) {
  std::mt19937_64 random(1);
  check({0, bytes}, {bytes, "nothing"});
  ASSERT_EQ(gone_on, 1) << "a ledger that nobody touched is gone on with";
  for (int i = 1; i < rounds() && !HasFatalFailure(); ++i) {
    const auto part = choose(random);
    check(part, testing::damage(part.bytes, random));
  }
  EXPECT_GT(gone_on, 1);
  EXPECT_GT(refused, 0);
  std::printf("%d damaged ledgers: %d gone on with, no counter went back; %d refused by name\n",
              gone_on + refused, gone_on, refused);
}

TEST_F(DamagedLedger, OfAnotherLayoutIsRefusedHoweverWholeItIs) {
  EXPECT_EQ(refusal([](LedgerHeader&) {}), "") << "its own header again is gone on with";
  EXPECT_NE(refusal([](LedgerHeader& header) { header.version = ledger_version - 1; })
                .find("version " + std::to_string(ledger_version - 1)),
            std::string::npos);
  EXPECT_NE(refusal([](LedgerHeader& header) { header.version = ledger_version + 1; })
                .find("version " + std::to_string(ledger_version + 1)),
            std::string::npos);
  EXPECT_NE(refusal([](LedgerHeader& header) { header.vm_slots = max_vms / 2; }), "");
  EXPECT_NE(refusal([](LedgerHeader& header) { header.vm_slot_size -= 8; }), "");
  EXPECT_NE(refusal([](LedgerHeader& header) { header.host_slot_size += 8; }), "");
}

TEST(DamagedIdleFile, IsReadOrRefusedByName) {
  const testing::TempDir dir;
  IdleLearner learner;
  for (int i = 0; i < 2000; ++i)
    learner.observe("intel-rapl:" + std::to_string(i % 3) + " package", 7'000'000u + 50'000u * (i % 40),
                    static_cast<std::uint64_t>(i % 20), 20, 1s);
  IdleFile file(dir.path());
  ASSERT_TRUE(file.save(learner.memory()));
  const auto bytes = read_file_at(AT_FDCWD, file.path()).value();
  std::mt19937_64 random(2);
  int read = 0, refused = 0;
  for (int i = 0; i < rounds(); ++i) {
    const auto damaged = testing::damage(bytes, random);
    dir.write("idle.json", damaged.bytes);
    const auto memory = file.load();
    if (!memory) {
      ++refused;
      ASSERT_EQ(memory.error().code, EPROTO) << damaged.how;
      ASSERT_NE(memory.error().message.find(file.path()), std::string::npos);
      continue;
    }
    ++read;
    IdleLearner again;
    again.restore(*memory);
    for (const auto& [zone, cells] : *memory) {
      const auto estimate = again.estimate(zone);
      ASSERT_EQ(estimate.power_uw > 0, estimate.confidence != IdleConfidence::none) << damaged.how;
    }
  }
  EXPECT_GT(refused, 0);
  std::printf("%d damaged idle files: %d read, %d refused by name\n", read + refused, read, refused);
}

}  // namespace
}  // namespace vpowercap
