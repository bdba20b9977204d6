// SPDX-License-Identifier: Apache-2.0
// A program's options, each declared once: command line, configuration file, --help, man page,
// shell completion and error messages all come from the same table.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vpowercap {

/// One option. `metavar` empty: a switch without a value.
struct OptionSpec {
  std::string name;           ///< long name, without dashes; also the key in the configuration file
  std::string metavar;        ///< what --help calls the value, e.g. "PATH", "SECONDS"
  std::string default_value;  ///< "" for none
  std::string help;           ///< one or two sentences, with unit and range
  bool in_config = true;      ///< may stand in the configuration file
};

/// A program's command line.
struct ProgramSpec {
  std::string name;         ///< "vpowercapd"
  std::string summary;      ///< one sentence, lower case, no full stop: the man page's NAME line
  std::string usage;        ///< what follows the name, e.g. "[OPTION]... COMMAND [VM]"
  std::string description;  ///< paragraphs, separated by empty lines
  std::vector<OptionSpec> options;
  std::vector<std::pair<std::string, std::string>> commands;  ///< name and help; may be empty
  std::vector<std::pair<std::string, std::string>> exit_codes{
      {"0", "success"}, {"1", "failure"}, {"2", "wrong usage"}};
  int section = 8;  ///< manual section
  bool takes_arguments = false;
  std::string passes_on{};  ///< a command behind which all words are its arguments, dashes or not
};

/// What a command line and a configuration file said. Getters throw std::out_of_range for a name
/// that was not declared (a programming error) and UsageError for a value of the wrong form.
class Options {
 public:
  [[nodiscard]] const std::string& text(std::string_view name) const;
  [[nodiscard]] bool flag(std::string_view name) const;
  /// Unsigned decimal within [low, high].
  [[nodiscard]] std::uint64_t number(std::string_view name, std::uint64_t low,
                                     std::uint64_t high) const;
  /// Decimal fraction within [low, high], e.g. watts or seconds.
  [[nodiscard]] double real(std::string_view name, double low, double high) const;
  /// True when the command line or the file gave a value, not only the default.
  [[nodiscard]] bool given(std::string_view name) const;
  [[nodiscard]] const std::vector<std::string>& arguments() const { return arguments_; }

 private:
  friend struct OptionsParser;
  struct Value {
    std::string text;
    std::string origin;  ///< "" default, else "--name" or "file, key"
  };
  [[nodiscard]] const Value& find(std::string_view name) const;
  std::map<std::string, Value, std::less<>> values_;
  std::vector<std::string> arguments_;
};

/// A command line or configuration that cannot be used: the message names option or file and key.
struct UsageError {
  std::string message;
};

/// Parses the command line, and the file named by --config where the table has that option (the
/// command line wins). Every program also has --help, --version and --help-man, --help-completion;
/// for these the text is printed to standard output and nothing is returned: exit with 0.
/// Throws UsageError: print it with the program's name and exit with 2.
std::optional<Options> parse_options(const ProgramSpec& spec, int argc, const char* const* argv);

/// The text of --help, of the man page (roff) and of the bash completion.
std::string help_text(const ProgramSpec& spec);
std::string man_page(const ProgramSpec& spec);
std::string completion(const ProgramSpec& spec);

/// The border of a program: runs `body`, prints what it throws as "name: message" on standard error.
/// Returns body's code; 2 after UsageError, 1 after any std::exception.
int run_program(std::string_view name, int (*body)(int, const char* const*), int argc,
                const char* const* argv) noexcept;

}  // namespace vpowercap
