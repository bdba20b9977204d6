// SPDX-License-Identifier: Apache-2.0
#include "common/options/options.hpp"

#include "tests/support/temp_dir.hpp"

namespace vpowercap {
namespace {

struct OptionsOf : ::testing::Test {
  testing::TempDir dir;
  ProgramSpec spec{.name = "prog",
                   .summary = "does things",
                   .usage = "[OPTION]...",
                   .description = "First.\n\n.Second",
                   .options = {{"config", "PATH", dir.path("absent.conf"), "Configuration file."},
                               {"tick", "SECONDS", "1", "Sampling period, 0.1 to 60."},
                               {"count", "N", "3", "How many."},
                               {"model", "", "", "Use the model."}}};

  std::optional<Options> parse(std::vector<const char*> words) {
    words.insert(words.begin(), "prog");
    return parse_options(spec, static_cast<int>(words.size()), words.data());
  }
  std::string error_of(std::vector<const char*> words) {
    try {
      const auto options = parse(std::move(words));
      (void)options->number("count", 1, 10);
    } catch (const UsageError& error) {
      return error.message;
    }
    return "";
  }
};

TEST_F(OptionsOf, DefaultsFileAndCommandLineWinInThatOrder) {
  dir.write("a.conf", "# comment\ntick = 2.5\ncount = 5\nmodel = yes\n");
  const std::string file = dir.path("a.conf");
  EXPECT_EQ(parse({})->real("tick", 0.1, 60), 1.0);
  const auto options = parse({"--config", file.c_str(), "--count=7"});
  EXPECT_EQ(options->real("tick", 0.1, 60), 2.5);
  EXPECT_EQ(options->number("count", 1, 10), 7u);
  EXPECT_TRUE(options->flag("model"));
  EXPECT_TRUE(options->given("tick"));
}

TEST_F(OptionsOf, ErrorsNameTheOptionOrTheFileAndKey) {
  dir.write("b.conf", "count = many\n");
  dir.write("c.conf", "colour = red\n");
  const std::string b = dir.path("b.conf");
  const std::string c = dir.path("c.conf");
  EXPECT_EQ(error_of({"--count", "11"}), "--count: \"11\" is not a number from 1 to 10");
  EXPECT_EQ(error_of({"--config", b.c_str()}), b + ", count: \"many\" is not a number from 1 to 10");
  EXPECT_NE(error_of({"--config", c.c_str()}).find("colour"), std::string::npos);
  EXPECT_NE(error_of({"--config", c.c_str()}).find(c), std::string::npos);
  EXPECT_NE(error_of({"--config", "/nowhere"}).find("/nowhere"), std::string::npos);
  EXPECT_NE(error_of({"--clount", "1"}).find("clount"), std::string::npos);
  EXPECT_NE(error_of({"stray"}).find("stray"), std::string::npos);
}

TEST_F(OptionsOf, BoostsPlaceholdersAreNoNames) {
  for (const std::string text :
       {"%canonical_option% = 1\n", "count %invalid_line% 1\n", "[%option%]\na=1\n"}) {
    dir.write("d.conf", "tick = 1 # 5 %\n" + text);
    const auto error = error_of({"--config", dir.path("d.conf").c_str()});
    EXPECT_NE(error.find(dir.path("d.conf")), std::string::npos) << error;
  }
  EXPECT_NE(error_of({"--%canonical_option%"}).find("canonical_option"), std::string::npos);
  dir.write("d.conf", "# %canonical_option%\ncount = 5 # %\n");
  EXPECT_EQ(parse({"--config", dir.path("d.conf").c_str()})->number("count", 1, 10), 5u);
}

TEST_F(OptionsOf, HelpManAndCompletionNameEveryOption) {
  for (const auto& option : spec.options) {
    EXPECT_NE(help_text(spec).find("--" + option.name), std::string::npos);
    EXPECT_NE(man_page(spec).find("\\-\\-" + option.name), std::string::npos);
    EXPECT_NE(completion(spec).find("--" + option.name), std::string::npos);
  }
  EXPECT_NE(man_page(spec).find("\n\\&.Second"), std::string::npos);
}

TEST(PassedOn, WhatFollowsTheCommandIsItsOwn) {
  const ProgramSpec runner{.name = "runner",
                           .options = {{"place", "PATH", "", "Where."}, {"quick", "", "", "Whether."}},
                           .takes_arguments = true,
                           .passes_on = "run"};
  const auto words = [&](std::vector<const char*> argv) {
    argv.insert(argv.begin(), "runner");
    return parse_options(runner, static_cast<int>(argv.size()), argv.data())->arguments();
  };
  using Words = std::vector<std::string>;
  EXPECT_EQ(words({"--quick", "run", "tool", "--quick", "-x", "--", "run"}),
            (Words{"run", "tool", "--quick", "-x", "--", "run"}));
  EXPECT_EQ(words({"run", "--", "tool", "--help"}), (Words{"run", "tool", "--help"}));
  EXPECT_EQ(words({"--place", "run", "list"}), (Words{"list"}));
  EXPECT_EQ(words({"list", "run"}), (Words{"list", "run"}));
  EXPECT_THROW(words({"list", "--unknown"}), UsageError);
}

}  // namespace
}  // namespace vpowercap
