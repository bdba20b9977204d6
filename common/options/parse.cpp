// SPDX-License-Identifier: Apache-2.0
// Command line and configuration file through Boost.Program_options.
#include <algorithm>
#include <boost/program_options.hpp>
#include <charconv>
#include <cstdio>
#include <exception>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "common/base/utf8.hpp"
#include "common/options/options.hpp"
#include "common/options/version.hpp"

namespace vpowercap {
namespace po = boost::program_options;

struct OptionsParser {
  static void set(Options& options, const std::string& name, std::string text, std::string origin) {
    options.values_[name] = {std::move(text), std::move(origin)};
  }
  static void set_arguments(Options& options, std::vector<std::string> arguments) {
    options.arguments_ = std::move(arguments);
  }
};

namespace {

/// `optional_value` lets "flag = true" stand in a file for a switch.
po::options_description describe(const ProgramSpec& spec, bool config_file) {
  po::options_description described;
  for (const auto& option : spec.options) {
    if (config_file && (!option.in_config || option.name == "config")) continue;
    if (option.metavar.empty() && !config_file)
      described.add_options()(option.name.c_str(), option.help.c_str());
    else described.add_options()(option.name.c_str(), po::value<std::string>(), option.help.c_str());
  }
  if (!config_file)
    for (const char* name : {"help,h", "version", "help-man", "help-completion"})
      described.add_options()(name, "");
  return described;
}

bool takes_value(const ProgramSpec& spec, std::string_view word) {
  return std::ranges::any_of(spec.options, [&](const OptionSpec& option) {
    return !option.metavar.empty() && word == "--" + option.name;
  });
}

/// Behind which word the command line is somebody else's: behind the command that passes it on, or
/// `argc`.
int own_words(const ProgramSpec& spec, int argc, const char* const* argv) {
  for (int i = 1; i < argc && !spec.passes_on.empty(); ++i) {
    const std::string_view word = argv[i];
    if (word == spec.passes_on) return i + 1;
    if (takes_value(spec, word)) ++i;
    else if (!word.starts_with('-') || word == "--") break;
  }
  return argc;
}

bool is_switch(const ProgramSpec& spec, const std::string& name) {
  for (const auto& option : spec.options)
    if (option.name == name) return option.metavar.empty();
  return false;
}

std::string switch_value(const std::string& text, const std::string& origin) {
  if (text == "true" || text == "yes" || text == "on" || text == "1") return "true";
  if (text == "false" || text == "no" || text == "off" || text == "0") return "false";
  throw UsageError{origin + ": \"" + text + "\" is neither true nor false"};
}

/// Boost replaces the placeholders in its messages by what the user wrote, again and again: with one of
/// them in there it would never end. No option's name has the sign that begins them.
void refuse_placeholder(std::string_view name, const std::string& origin) {
  if (name.find('%') != std::string_view::npos)
    throw UsageError{origin + "there is no option \"" + printable(name) + "\""};
}

void refuse_placeholders_in(std::istream&& text, const std::string& path) {
  for (std::string line; std::getline(text, line);)
    refuse_placeholder(std::string_view(line).substr(0, line.find_first_of("=#")), path + ": ");
}

void read_config(const ProgramSpec& spec, const std::string& path, bool required, Options& options) {
  std::ifstream file(path);
  if (!file) {
    if (required) throw UsageError{"cannot read the configuration file " + path};
    return;
  }
  std::stringstream text;
  if (file.peek() != std::ifstream::traits_type::eof()) text << file.rdbuf();
  refuse_placeholders_in(std::istringstream(text.str()), path);
  const auto described = describe(spec, true);
  try {
    const auto parsed = po::parse_config_file(text, described);
    for (const auto& option : parsed.options) {
      const std::string origin = path + ", " + option.string_key;
      const auto& value = option.value.at(0);
      OptionsParser::set(options, option.string_key,
                         is_switch(spec, option.string_key) ? switch_value(value, origin) : value,
                         origin);
    }
  } catch (const po::error& error) {
    throw UsageError{path + ": " + error.what()};
  }
}

/// Prints one of the texts every program has; true when there was one to print.
bool print_text(const ProgramSpec& spec, const po::variables_map& given) {
  std::string text;
  if (given.count("help")) text = help_text(spec);
  else if (given.count("version")) text = spec.name + " " + version + "\n";
  else if (given.count("help-man")) text = man_page(spec);
  else if (given.count("help-completion")) text = completion(spec);
  else return false;
  std::fputs(text.c_str(), stdout);
  return true;
}

}  // namespace

std::optional<Options> parse_options(const ProgramSpec& spec, int argc, const char* const* argv) {
  auto described = describe(spec, false);
  po::options_description hidden;
  hidden.add_options()("arguments", po::value<std::vector<std::string>>());
  hidden.add(described);
  po::positional_options_description positional;
  positional.add("arguments", -1);
  po::variables_map given;
  const int own = own_words(spec, argc, argv);
  for (int i = 1; i < own; ++i)
    if (const std::string_view word = argv[i]; word.starts_with('-'))
      refuse_placeholder(word.substr(0, word.find('=')), "");
  try {
    using style = po::command_line_style::style_t;
    const int dashes = style::unix_style & ~style::allow_guessing;
    po::store(
        po::command_line_parser(own, argv).options(hidden).positional(positional).style(dashes).run(),
        given);
  } catch (const po::error& error) {
    throw UsageError{std::string(error.what()) + " (see " + spec.name + " --help)"};
  }
  if (print_text(spec, given)) return std::nullopt;
  Options options;
  for (const auto& option : spec.options)
    OptionsParser::set(options, option.name, option.metavar.empty() ? "false" : option.default_value,
                       "");
  for (const auto& option : spec.options) {
    if (option.name != "config") continue;
    const bool named = given.count("config") > 0;
    read_config(spec, named ? given["config"].as<std::string>() : option.default_value, named, options);
  }
  for (const auto& option : spec.options)
    if (given.count(option.name))
      OptionsParser::set(options, option.name,
                         option.metavar.empty() ? "true" : given[option.name].as<std::string>(),
                         "--" + option.name);
  if (given.count("arguments")) {
    auto arguments = given["arguments"].as<std::vector<std::string>>();
    if (!spec.takes_arguments && spec.commands.empty())
      throw UsageError{"unexpected argument \"" + arguments.front() + "\" (see " + spec.name +
                       " --help)"};
    for (int i = own; i < argc; ++i)
      if (i > own || argv[i] != std::string_view("--")) arguments.emplace_back(argv[i]);
    OptionsParser::set_arguments(options, std::move(arguments));
  }
  return options;
}

const Options::Value& Options::find(std::string_view name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) throw std::out_of_range("undeclared option " + std::string(name));
  return found->second;
}

const std::string& Options::text(std::string_view name) const { return find(name).text; }
bool Options::flag(std::string_view name) const { return find(name).text == "true"; }
bool Options::given(std::string_view name) const { return !find(name).origin.empty(); }

namespace {

template <typename T>
T bounded(std::string_view name, const std::string& origin, const std::string& text, T low, T high,
          const std::string& range) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= low && value <= high))
    throw UsageError{(origin.empty() ? std::string(name) : origin) + ": \"" + text +
                     "\" is not a number from " + range};
  return value;
}

}  // namespace

std::uint64_t Options::number(std::string_view name, std::uint64_t low, std::uint64_t high) const {
  const auto& value = find(name);
  return bounded(name, value.origin, value.text, low, high,
                 std::to_string(low) + " to " + std::to_string(high));
}

double Options::real(std::string_view name, double low, double high) const {
  const auto& value = find(name);
  char range[64];
  std::snprintf(range, sizeof range, "%g to %g", low, high);
  return bounded(name, value.origin, value.text, low, high, range);
}

int run_program(std::string_view name, int (*body)(int, const char* const*), int argc,
                const char* const* argv) noexcept {
  const auto complain = [&](const char* message) {
    std::fprintf(stderr, "%.*s: %s\n", static_cast<int>(name.size()), name.data(), message);
  };
  try {
    return body(argc, argv);
  } catch (const UsageError& error) {
    complain(error.message.c_str());
    return 2;
  } catch (const std::exception& error) {
    complain(error.what());
    return 1;
  }
}

}  // namespace vpowercap
