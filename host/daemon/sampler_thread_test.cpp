// SPDX-License-Identifier: Apache-2.0
// Signs of life between ticks, and none from a tick that hangs.
#include "host/daemon/sampler_thread.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <cstdlib>

#include "common/ledger/reader.hpp"
#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;

/// A zone whose reading may hang, as that of a broken driver does.
struct SlowSource final : EnergySource {
  explicit SlowSource(std::atomic<bool>& hangs) : is_hung(hangs) {}
  std::atomic<bool>& is_hung;
  std::atomic<bool> hangs_now = false;
  std::atomic<int> samples = 0;
  [[nodiscard]] Method method() const override { return Method::rapl; }
  std::vector<ZoneReading> sample() override {
    ++samples;
    while (is_hung) {
      hangs_now = true;
      std::this_thread::sleep_for(1ms);
    }
    return {};
  }
  std::vector<Error> take_problems() override { return {}; }
};

/// The daemon's thread, and a socket in the place of systemd's.
struct SignsOfLife : ::testing::Test {
  testing::TempDir dir;
  std::atomic<bool> hangs = false;
  SlowSource* source = nullptr;
  UniqueFd systemd;
  std::unique_ptr<SamplerThread> thread;

  void SetUp() override {
    dir.write("sys/devices/system/cpu/cpu0/topology/physical_package_id", "0\n");
    dir.write("proc/stat", "cpu 0 0 0 0\ncpu0 0 0 0 0\n");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    dir.path("notify").copy(address.sun_path, sizeof address.sun_path - 1);
    systemd.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ASSERT_EQ(::bind(systemd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", dir.path("notify").c_str(), 1);
  }
  void TearDown() override {
    hangs = false;
    thread.reset();
    ::unsetenv("NOTIFY_SOCKET");
  }
  void start(Nanoseconds period) {
    auto slow = std::make_unique<SlowSource>(hangs);
    source = slow.get();
    auto ledger = LedgerWriter::open({dir.path("ledger"), "", 180s, period});
    ASSERT_TRUE(ledger) << ledger.error().message;
    const SamplerOptions options{dir.path("proc"), dir.path("sys"), period, {}, {}, ""};
    thread = std::make_unique<SamplerThread>(
        std::make_unique<Sampler>(options, std::move(slow), std::move(*ledger), [](const Error&) {}),
        period, 20ms);
  }
  /// The next message to systemd; "" when there is none for `wait`.
  [[nodiscard]] std::string told(std::chrono::milliseconds wait) const {
    pollfd event{systemd.get(), POLLIN, 0};
    if (::poll(&event, 1, static_cast<int>(wait.count())) != 1) return "";
    std::array<char, 64> text{};
    return {text.data(), static_cast<std::size_t>(std::max<ssize_t>(
                             0, ::recv(systemd.get(), text.data(), text.size(), 0)))};
  }
  [[nodiscard]] Nanoseconds heartbeat() const {
    return LedgerReader::open(dir.path("ledger"))->heartbeat();
  }
};

TEST_F(SignsOfLife, ComeBetweenTicksThatAreFarApart) {
  start(3600s);
  const auto first = heartbeat();
  for (int i = 0; i < 3; ++i) ASSERT_EQ(told(20s), "WATCHDOG=1");
  EXPECT_GT(heartbeat(), first);
  EXPECT_EQ(source->samples, 1) << "a sign of life is no tick";
}

TEST_F(SignsOfLife, ComeNotFromATickThatHangs) {
  start(10ms);
  hangs = true;
  while (!source->hangs_now) std::this_thread::sleep_for(1ms);
  while (!told(0ms).empty()) {
  }
  const auto last = heartbeat();
  EXPECT_EQ(told(300ms), "");
  EXPECT_EQ(heartbeat(), last);
}

TEST(SilenceOfTheSampler, IsShorterThanAnyoneWaits) {
  EXPECT_LT(2 * SamplerThread::longest_silence, 30s) << "WatchdogSec of the unit";
}

}  // namespace
}  // namespace vpowercap
