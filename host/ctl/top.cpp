// SPDX-License-Identifier: Apache-2.0
// Full-screen view with ncurses.
#include "host/ctl/top.hpp"

#include <curses.h>
#include <unistd.h>

#include <clocale>
#include <sstream>

#include "common/ledger/ledger_source.hpp"
#include "host/ctl/table.hpp"

namespace vpowercap {
namespace {

/// The terminal in full-screen mode, put back at the end.
class Screen {
 public:
  explicit Screen(Nanoseconds interval) {
    std::setlocale(LC_ALL, "");
    ::initscr();
    ::cbreak();
    ::noecho();
    ::curs_set(0);
    timeout(static_cast<int>(interval.count() / 1'000'000));
  }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  ~Screen() { ::endwin(); }
};

void draw(const std::string& text) {
  erase();
  std::istringstream lines(text);
  std::string line;
  for (int row = 0; row < LINES - 1 && std::getline(lines, line); ++row) {
    const bool is_heading = line.starts_with("UUID");
    if (is_heading) attron(A_REVERSE);
    mvaddnstr(row, 0, line.c_str(), COLS);
    if (is_heading) attroff(A_REVERSE);
  }
  mvaddstr(LINES - 1, 0, "q: quit");
  refresh();
}

}  // namespace

Result<void> run_top(const std::string& ledger_path, Nanoseconds interval) {
  if (::isatty(STDOUT_FILENO) == 0)
    return fail(ENOTTY, "top needs a terminal; use vpowercap top --once in scripts");
  if (auto reader = LedgerReader::open(ledger_path); !reader) return tl::unexpected(reader.error());
  const SystemClock clock;
  LedgerSource ledger(ledger_path, clock, nullptr);
  const Screen screen(interval);
  for (;;) {
    if (const auto reader = ledger.current())
      if (const auto view = look(*reader, clock.now())) draw(list_table(*view, true));
    if (const int key = ::getch(); key == 'q' || key == 'Q') return {};
  }
}

}  // namespace vpowercap
