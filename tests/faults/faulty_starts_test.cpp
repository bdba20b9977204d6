// SPDX-License-Identifier: Apache-2.0
// The real daemon starts while its calls on files of /sys and /proc fail at random.
// VPOWERCAP_FAULTY_STARTS sets how often, VPOWERCAP_SEED what happens.
#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include "tests/faults/faulty_daemon.hpp"

namespace vpowercap {
namespace {

using namespace std::chrono_literals;
using testing::eventually;
using testing::setting;

class FaultyStarts : public testing::FaultyDaemon {
 protected:
  /// What the daemon wrote to its stderr.
  [[nodiscard]] std::string words() const {
    std::ostringstream text;
    text << std::ifstream(words_path()).rdbuf();
    return text.str();
  }
  [[nodiscard]] std::string words_path() const { return dir_->path() + "/words"; }

  /// True when the daemon begins to measure, false when it refuses to start: with 1 and one line that
  /// names a file.
  bool start() {
    const auto before = ticks();
    start_faulty_daemon({"/bin/sh", "-c", "exec 2>\"$0\"; exec \"$@\"", words_path()});
    std::optional<Ending> ending;
    EXPECT_TRUE(eventually([&] { return (ending = daemon_.reap()) || ticks() > before + 1; }));
    if (!ending) return true;
    const auto text = words();
    EXPECT_EQ(ending->text(), "exited with 1") << text;
    EXPECT_EQ(std::ranges::count(text, '\n'), 1) << text;
    EXPECT_NE(text.find('/'), std::string::npos) << text;
    return false;
  }
};

TEST_F(FaultyStarts, GoOnWithEveryCounterOrRefuseWithOneLine) {
  const auto starts = setting("VPOWERCAP_FAULTY_STARTS", 9);
  host_->tree().start();
  start_readers();
  std::uint64_t refused = 0;
  for (std::uint64_t i = 0; i < starts && !HasFailure(); ++i) {
    constexpr std::array<std::uint64_t, 3> rates = {3'000, 30'000, 300'000};
    page_->per_million = rates[i % rates.size()];
    refused += start() ? 0 : 1;
    page_->per_million = 0;
    daemon_.end(2s);
  }
  start_daemon(VPOWERCAPD);
  host_->tree().stop();
  const auto last = ticks();
  EXPECT_TRUE(eventually([&] { return ticks() > last + 2; }));
  stop_readers();
  std::cout << starts << " starts with " << faults() << " faults in " << page_->calls
            << " calls: " << starts - refused << " went on, " << refused << " refused by name\n";
  EXPECT_GT(faults(), 0u);
  EXPECT_LT(refused, starts);
  expect_nothing_seen();
}

}  // namespace
}  // namespace vpowercap
