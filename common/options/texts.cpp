// SPDX-License-Identifier: Apache-2.0
// --help, man page and shell completion, written from the option table.
#include <algorithm>

#include "common/options/options.hpp"
#include "common/options/version.hpp"

namespace vpowercap {
namespace {

constexpr std::size_t help_column = 28;
constexpr std::size_t line_width = 96;

std::string head_of(const OptionSpec& option) {
  return "--" + option.name + (option.metavar.empty() ? "" : " " + option.metavar);
}

std::string help_of(const OptionSpec& option) {
  return option.help + (option.default_value.empty() ? "" : " [" + option.default_value + "]");
}

std::vector<OptionSpec> with_common(const ProgramSpec& spec) {
  auto options = spec.options;
  options.push_back({"help", "", "", "Print this help and exit.", false});
  options.push_back({"version", "", "", "Print the version and exit.", false});
  return options;
}

/// Breaks `text` at blanks into lines of at most `width`, continued at `indent`.
std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
  std::string out;
  std::size_t column = indent;
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    if (column > indent && column + end > width) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += text.substr(0, end);
    column += end;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

std::string entry(const std::string& head, const std::string& help) {
  std::string line = "  " + head;
  line += line.size() + 2 > help_column ? "\n" + std::string(help_column, ' ')
                                        : std::string(help_column - line.size(), ' ');
  return line + wrapped(help, help_column, line_width) + "\n";
}

std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') out += "\\e";
    else if (c == '-') out += "\\-";
    else out += c;
  }
  return !out.empty() && (out[0] == '.' || out[0] == '\'') ? "\\&" + out : out;
}

}  // namespace

std::string help_text(const ProgramSpec& spec) {
  std::string out = "Usage: " + spec.name + " " + spec.usage + "\n" + spec.summary + ".\n";
  if (!spec.commands.empty()) out += "\nCommands:\n";
  for (const auto& [name, help] : spec.commands) out += entry(name, help);
  out += "\nOptions:\n";
  for (const auto& option : with_common(spec)) out += entry(head_of(option), help_of(option));
  out += "\nSee also: man " + spec.name + "\n";
  return out;
}

std::string man_page(const ProgramSpec& spec) {
  std::string upper = spec.name;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  std::string out = ".TH " + roff(upper) + " " + std::to_string(spec.section) + " \"\" \"vpowercap " +
                    version + "\"\n.SH NAME\n" + roff(spec.name) + " \\- " + roff(spec.summary) +
                    "\n.SH SYNOPSIS\n.B " + roff(spec.name) + "\n" + roff(spec.usage) +
                    "\n.SH DESCRIPTION\n";
  std::string_view rest = spec.description;
  while (!rest.empty()) {
    const auto end = std::min(rest.find("\n\n"), rest.size());
    out += roff(rest.substr(0, end)) + "\n.PP\n";
    rest.remove_prefix(std::min(end + 2, rest.size()));
  }
  if (!spec.commands.empty()) out += ".SH COMMANDS\n";
  for (const auto& [name, help] : spec.commands)
    out += ".TP\n.B " + roff(name) + "\n" + roff(help) + "\n";
  out += ".SH OPTIONS\n";
  for (const auto& option : with_common(spec))
    out += ".TP\n.B " + roff(head_of(option)) + "\n" + roff(help_of(option)) + "\n";
  out += ".SH EXIT STATUS\n";
  for (const auto& [code, help] : spec.exit_codes) out += ".TP\n.B " + code + "\n" + roff(help) + "\n";
  return out;
}

std::string completion(const ProgramSpec& spec) {
  std::string words;
  for (const auto& [name, help] : spec.commands) words += name.substr(0, name.find(' ')) + " ";
  for (const auto& option : with_common(spec)) words += "--" + option.name + " ";
  return "complete -W \"" + words + "\" -o default " + spec.name + "\n";
}

}  // namespace vpowercap
