// SPDX-License-Identifier: Apache-2.0
#include "host/sampler/vm_meter.hpp"

#include <rapidcheck/gtest.h>

#include "host/sampler/fake_vm.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;
using testing::on_cpu;
using testing::total;

constexpr std::uint64_t ms = 1'000'000;

/// A VM met while it runs, at 100 s after boot.
struct Meter : ::testing::Test {
  testing::FakeVm fake;
  Nanoseconds since_boot = 100s;

  Meter() {
    fake.process();
    fake.thread(70, "qemu-system-x86", 0);
    fake.thread(71, "CPU 0/KVM", 0);
  }
  VmMeter open(std::optional<WorkMark> mark = std::nullopt, Nanoseconds tick = 0s) {
    auto meter = VmMeter::open(fake.roots(), fake.vm, mark, {tick, since_boot});
    if (!meter) throw std::runtime_error(meter.error().message);
    return std::move(*meter);
  }
  VmSample next(VmMeter& meter) {
    since_boot += 1s;
    return meter.measure({1s, since_boot});
  }
};

TEST_F(Meter, AHotPluggedVcpuCountsFromItsStartAndAGoneOneKeepsItsWork) {
  auto meter = open();
  next(meter);
  fake.thread(72, "CPU 2/KVM", 30 * ms, 1, 70, 10'050);
  auto sample = next(meter);
  EXPECT_EQ(total(sample), 30 * ms);
  EXPECT_EQ(sample.by_cpu.at(1).socket_ns, (std::vector<std::uint64_t>{0, 30 * ms}));
  fake.thread(72, "CPU 2/KVM", 50 * ms, 1, 70, 10'050);
  EXPECT_EQ(total(next(meter)), 20 * ms);
  const auto mark = next(meter).tick.work_mark_ns;
  fake.dir.remove("proc/70/task/72");
  sample = next(meter);
  EXPECT_EQ(total(sample), 0u);
  EXPECT_EQ(sample.tick.work_mark_ns, mark);
}

TEST_F(Meter, AThreadWithAnUsedTidIsChargedWhole) {
  fake.thread(72, "worker", 10 * ms);
  auto meter = open();
  next(meter);
  fake.thread(72, "worker", 40 * ms, 0, 70, 10'050);
  EXPECT_EQ(total(next(meter)), 40 * ms);
}

TEST_F(Meter, WorkOfAThreadThatCannotBeReadForATickCountsOnce) {
  auto meter = open();
  next(meter);
  fake.thread(71, "CPU 0/KVM", 40 * ms);
  fake.dir.write("proc/70/task/71/schedstat", "garbage\n");
  fake.process(4);
  EXPECT_EQ(total(next(meter)), 0u);
  fake.thread(71, "CPU 0/KVM", 50 * ms);
  fake.process(5);
  EXPECT_EQ(total(next(meter)), 50 * ms);
  fake.thread(71, "CPU 0/KVM", 60 * ms);
  fake.process(6);
  EXPECT_EQ(total(next(meter)), 10 * ms);
}

TEST_F(Meter, AThreadThatCouldNotBeReadAtTheStartIsNotChargedWhatItDidBefore) {
  fake.dir.write("proc/70/task/71/schedstat", "garbage\n");
  auto meter = open();
  next(meter);
  fake.thread(71, "CPU 0/KVM", 9000 * ms);
  EXPECT_EQ(total(next(meter)), 0u);
  fake.thread(71, "CPU 0/KVM", 9010 * ms);
  EXPECT_EQ(total(next(meter)), 10 * ms);
}

TEST_F(Meter, AThreadThatCannotBeReadAfterARestartIsChargedFromTheMark) {
  fake.thread(71, "CPU 0/KVM", 9000 * ms);
  auto meter = open(WorkMark{8990 * ms, WorkSource::processes});
  fake.dir.write("proc/70/task/71/schedstat", "garbage\n");
  next(meter);
  fake.thread(71, "CPU 0/KVM", 9020 * ms);
  next(meter);
  EXPECT_EQ(next(meter).tick.work_mark_ns, 9020 * ms);
  auto again = open(WorkMark{9020 * ms, WorkSource::processes});
  fake.dir.write("proc/70/task/71/schedstat", "garbage\n");
  EXPECT_EQ(total(next(again)), 0u);
  fake.thread(71, "CPU 0/KVM", 9030 * ms);
  EXPECT_EQ(total(next(again)), 10 * ms);
}

TEST_F(Meter, AThreadThatMovedCountsInHalvesOnBothCpus) {
  auto meter = open();
  next(meter);
  fake.thread(71, "CPU 0/KVM", 101, 3);
  auto sample = next(meter);
  EXPECT_EQ(on_cpu(sample, 0), 50u);
  EXPECT_EQ(on_cpu(sample, 3), 51u);
  fake.thread(71, "CPU 0/KVM", 201, 3);
  EXPECT_EQ(on_cpu(next(meter), 3), 100u);
}

TEST_F(Meter, TheControlGroupCountsHelpersThatNoThreadShows) {
  fake.in_group(70, fake.group + "/emulator");
  fake.usage_us(5'000'000);
  auto meter = open();
  EXPECT_EQ(total(next(meter)), 0u);
  fake.thread(71, "CPU 0/KVM", 100 * ms, 2);
  fake.usage_us(5'150'000);
  auto sample = next(meter);
  EXPECT_EQ(total(sample), 150 * ms);
  EXPECT_EQ(sample.by_cpu.at(2).socket_ns[0], 50 * ms) << "half of the vCPU's; helpers have no socket";
  EXPECT_EQ(sample.tick.work_source, WorkSource::cgroup);
  fake.usage_us(5'100'000);  // a counter of the whole that lags
  fake.thread(71, "CPU 0/KVM", 110 * ms, 2);
  EXPECT_EQ(total(next(meter)), 10 * ms);
}

TEST_F(Meter, AGroupThatCannotBeReadForATickIsAGapAndItsWorkComesLater) {
  fake.in_group(70, fake.group);
  fake.usage_us(1000);
  auto meter = open();
  next(meter);
  fake.dir.write("sys/fs/cgroup" + fake.group + "/cpu.stat", "usage_usec 500");  // cut off
  EXPECT_TRUE(next(meter).tick.gap);
  EXPECT_EQ(meter.take_problems().size(), 1u);
  fake.usage_us(41'000);
  const auto sample = next(meter);
  EXPECT_FALSE(sample.tick.gap);
  EXPECT_EQ(total(sample), 40 * ms);
  EXPECT_TRUE(meter.take_problems().empty());
}

TEST_F(Meter, AHelperInTheGroupIsCountedOnceOnTheCpuItRanOn) {
  fake.in_group(70, fake.group);
  fake.in_group(90, fake.group + "/emulator");
  fake.usage_us(1000);
  fake.thread(90, "virtiofsd", 7 * ms, 1, 90);
  auto meter = open();
  meter.adopt({{90, 100}});
  next(meter);
  fake.thread(90, "virtiofsd", 47 * ms, 1, 90);
  fake.usage_us(41'000);
  const auto sample = next(meter);
  EXPECT_EQ(total(sample), 40 * ms);
  EXPECT_EQ(on_cpu(sample, 1), 40 * ms);
}

TEST_F(Meter, AHelperOutsideTheGroupIsChargedUntilItMovesIn) {
  fake.in_group(70, fake.group);
  fake.in_group(90, "/system.slice");
  fake.usage_us(1000);
  fake.thread(90, "passt", 7 * ms, 1, 90);
  auto meter = open();
  meter.adopt({{90, 100}});
  EXPECT_EQ(total(next(meter)), 0u) << "what it did before is not ours to charge";
  fake.thread(90, "passt", 27 * ms, 1, 90);
  EXPECT_EQ(total(next(meter)), 20 * ms);
  fake.in_group(90, fake.group);
  fake.thread(90, "passt", 37 * ms, 1, 90);
  fake.usage_us(6000);
  EXPECT_EQ(total(next(meter)), 5 * ms) << "the group's part";
  fake.thread(90, "passt", 38 * ms, 1, 90);
  fake.usage_us(7000);
  EXPECT_EQ(total(next(meter)), 1 * ms);
}

TEST_F(Meter, WithoutAGroupHelpersAreChargedByTheirOwnCounters) {
  auto meter = open();
  next(meter);
  fake.thread(31, "vhost-70", 3 * ms, 1, 31, 10'150);
  meter.adopt({{31, 10'150}});
  EXPECT_EQ(total(next(meter)), 3 * ms) << "born since the meter was opened";
  fake.thread(31, "vhost-70", 9 * ms, 1, 31, 10'150);
  auto sample = next(meter);
  EXPECT_EQ(on_cpu(sample, 1), 6 * ms);
  fake.dir.write("proc/31/stat", "");  // as a descriptor of a reaped process reads
  fake.dir.remove("proc/31");
  sample = next(meter);
  EXPECT_EQ(total(sample), 0u);
  EXPECT_TRUE(sample.tick.gap) << "what it did last cannot be known";
  EXPECT_FALSE(next(meter).tick.gap);
}

TEST_F(Meter, AHelperInTheGroupThatEndsWithItsVmIsNoGap) {
  fake.in_group(70, fake.group);
  fake.in_group(90, fake.group + "/emulator");
  fake.usage_us(20'000);
  fake.thread(90, "virtiofsd", 3 * ms, 1, 90, 10'150);
  auto meter = open();
  meter.adopt({{90, 10'150}});
  fake.usage_us(50'000);
  fake.dir.write("proc/90/stat", "");
  fake.dir.remove("proc/90");
  const auto sample = meter.measure({400ms, 101400ms, true});
  EXPECT_TRUE(sample.has_ended);
  EXPECT_FALSE(sample.tick.gap);
}

TEST_F(Meter, AHelperThatHasEndedIsChargedWhatItDidLastUntilItIsReaped) {
  fake.thread(31, "swtpm", 3 * ms, 1, 31, 10'150);
  auto meter = open();
  meter.adopt({{31, 10'150}});
  next(meter);
  fake.dir.remove("proc/31/task");
  fake.dir.write("proc/31/stat", testing::FakeVm::stat(31, "swtpm", 10'150, 1, 5, 'Z'));
  const auto sample = next(meter);
  EXPECT_EQ(total(sample), 47 * ms);
  EXPECT_FALSE(sample.tick.gap);
}

TEST_F(Meter, ARestartChargesOfAHelperWhatItDidMeanwhileOnly) {
  fake.thread(90, "swtpm", 700 * ms, 1, 90);
  auto found = open();
  found.adopt({{90, 100}});
  next(found);
  fake.thread(90, "swtpm", 720 * ms, 1, 90);
  const auto last = next(found);
  EXPECT_EQ(total(last), 20 * ms);
  fake.thread(90, "swtpm", 750 * ms, 1, 90);
  auto resumed = open(WorkMark{last.tick.work_mark_ns, last.tick.work_source});
  resumed.adopt({{90, 100}});
  EXPECT_EQ(total(next(resumed)), 30 * ms);
  EXPECT_EQ(total(next(resumed)), 0u);
}

TEST_F(Meter, AReusedPidIsNoHelper) {
  auto meter = open();
  fake.thread(31, "vhost-70", 3 * ms, 1, 31, 20'000);
  meter.adopt({{31, 10'150}});
  fake.thread(31, "vhost-70", 9 * ms, 1, 31, 20'000);
  EXPECT_EQ(total(next(meter)), 0u);
}

TEST_F(Meter, ThreadsThatLivedBetweenTwoTicksShowInTheTotal) {
  auto meter = open();
  next(meter);
  fake.process(5);  // 50 ms, and no thread has it
  EXPECT_EQ(total(next(meter)), 50 * ms);
}

TEST_F(Meter, AGroupFoundLateCountsFromThenOn) {
  auto meter = open();
  next(meter);
  fake.in_group(70, fake.group);
  fake.usage_us(90'000'000);
  std::uint64_t sum = 0;
  for (int i = 0; i < 20; ++i) sum += total(next(meter));
  EXPECT_EQ(sum, 0u);
  fake.usage_us(90'000'500);
  EXPECT_EQ(total(next(meter)), 500'000u);
  fake.dir.remove("sys/fs/cgroup");
  fake.dir.write("proc/70/cgroup", "0::/\n");
  EXPECT_EQ(total(next(meter)), 0u);
}

TEST_F(Meter, ARestartCountsFromTheMarkOfTheSameSourceOnly) {
  fake.thread(71, "CPU 0/KVM", 500 * ms);
  auto resumed = open(WorkMark{200 * ms, WorkSource::processes});
  EXPECT_EQ(total(next(resumed)), 300 * ms);
  EXPECT_EQ(total(next(resumed)), 0u);
  auto other = open(WorkMark{200 * ms, WorkSource::cgroup});
  EXPECT_EQ(total(next(other)), 0u);
  auto ahead = open(WorkMark{900 * ms, WorkSource::processes});
  EXPECT_EQ(total(next(ahead)), 0u);
  fake.thread(71, "CPU 0/KVM", 501 * ms);
  EXPECT_EQ(total(next(ahead)), 1 * ms);
}

TEST_F(Meter, AVmBornInTheTickCountsFromItsStartWithItsHelpers) {
  since_boot = 1200ms;
  fake.thread(71, "CPU 0/KVM", 150 * ms);
  fake.thread(90, "virtiofsd", 7 * ms, 1, 90, 99);
  auto meter = open(std::nullopt, 500ms);
  meter.adopt({{90, 99}});
  since_boot = 1700ms;
  const auto sample = meter.measure({1s, since_boot});
  EXPECT_EQ(total(sample), 157 * ms);
  EXPECT_EQ(sample.tick.alive, 700ms);
}

TEST_F(Meter, AHelperThatCannotBeReadAtItsVmsBirthCountsFromItsStartLater) {
  since_boot = 1200ms;
  fake.thread(71, "CPU 0/KVM", 150 * ms);
  fake.thread(90, "virtiofsd", 7 * ms, 1, 90, 99);
  auto meter = open(std::nullopt, 500ms);
  const auto stat = testing::FakeVm::stat(90, "virtiofsd", 99, 1);
  fake.dir.write("proc/90/stat", "nonsense");
  EXPECT_FALSE(meter.adopt({{90, 99}}));
  EXPECT_NE(meter.take_problems().at(0).message.find("90/stat"), std::string::npos);
  since_boot = 1700ms;
  EXPECT_EQ(total(meter.measure({1s, since_boot})), 150 * ms);
  fake.dir.write("proc/90/stat", stat);
  EXPECT_TRUE(meter.adopt({{90, 99}}));
  EXPECT_EQ(total(next(meter)), 7 * ms);
}

TEST_F(Meter, AHelperWhoseGroupCannotBeReadIsToldAndPaidOnce) {
  fake.in_group(70, fake.group);
  fake.in_group(90, fake.group + "/emulator");
  fake.usage_us(1000);
  fake.thread(90, "virtiofsd", 7 * ms, 1, 90, 10'150);
  auto meter = open();
  meter.adopt({{90, 10'150}});
  next(meter);
  fake.dir.write("proc/90/cgroup", "0::/els");
  fake.thread(90, "virtiofsd", 47 * ms, 1, 90, 10'150);
  fake.usage_us(41'000);
  EXPECT_EQ(total(next(meter)), 40 * ms);
  EXPECT_NE(meter.take_problems().at(0).message.find("90/cgroup"), std::string::npos);
}

/// Random lives: threads begin, work, move and end, a helper in or out of the group works too.
RC_GTEST_PROP(MeterLaw, ChargesNoMoreThanAllProcessesDid, (bool has_group)) {
  testing::FakeVm fake;
  fake.process();
  if (has_group) fake.in_group(70, fake.group);
  const bool is_inside = *rc::gen::arbitrary<bool>();
  fake.in_group(90, is_inside ? fake.group : "/");
  std::map<int, std::uint64_t> run{{70, 0}};
  std::uint64_t own = 0;
  std::uint64_t helper = 0;
  const auto show = [&](std::uint64_t lag_us) {
    for (const auto& [tid, ns] : run) {
      const auto comm = tid % 2 == 0 ? "io" : "CPU 1/KVM";
      fake.thread(tid, comm, ns, *rc::gen::inRange(0u, 4u), 70, static_cast<std::uint64_t>(tid));
    }
    fake.thread(90, "virtiofsd", helper, 1, 90);
    const auto whole_us = (own + (is_inside ? helper : 0)) / 1000;
    fake.usage_us(whole_us > lag_us ? whole_us - lag_us : 0);
    fake.process(own / (10 * ms));
  };
  show(0);
  auto meter = VmMeter::open(fake.roots(), fake.vm, std::nullopt, {0s, 100s});
  RC_ASSERT(meter);
  meter->adopt({{90, 100}});
  std::uint64_t charged = 0;
  int next_tid = 71;
  for (int tick = 1; tick <= 3; ++tick) {
    for (auto& [tid, ns] : run) {
      const auto work = *rc::gen::inRange<std::uint64_t>(0, 900 * ms);
      ns += work;
      own += work;
    }
    helper += *rc::gen::inRange<std::uint64_t>(0, 300 * ms);
    if (*rc::gen::arbitrary<bool>()) run[next_tid++] = 0;
    if (run.size() > 1 && *rc::gen::arbitrary<bool>()) {
      const int last = run.rbegin()->first;
      run.erase(last);
      fake.dir.remove("proc/70/task/" + std::to_string(last));
    }
    show(*rc::gen::inRange<std::uint64_t>(0, 20'000));
    const bool is_last = tick == 3;
    charged += total(meter->measure({1s, 100s + tick * 1s, is_last}));
    RC_ASSERT(charged <= own + helper);
  }
  RC_ASSERT(charged + 20 * ms >= own + helper);  // all but what the last counter lagged
}

}  // namespace
}  // namespace vpowercap
