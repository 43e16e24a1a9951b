#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cli.h"

namespace millrace::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// What a line that cannot be meant is answered.
std::string wrong(std::vector<const char*> words) {
  Roles roles;
  roles.add_twin = roles.add_image = [](CLI::App&, Chosen&) {};
  words.insert(words.begin(), "millrace");
  testing::internal::CaptureStderr();
  EXPECT_EQ(run(static_cast<int>(words.size()), words.data(), roles), kUsage);
  return testing::internal::GetCapturedStderr();
}

std::string help_of(std::vector<const char*> words) {
  Roles roles;
  roles.add_twin = roles.add_image = [](CLI::App&, Chosen&) {};
  words.insert(words.begin(), "millrace");
  words.push_back("--help");
  testing::internal::CaptureStdout();
  EXPECT_EQ(run(static_cast<int>(words.size()), words.data(), roles), kOk);
  return testing::internal::GetCapturedStdout();
}

TEST(WrongLine, AnUnknownOptionOfRunIsNamedWithTheForm) {
  const auto is_told = [](const std::string& option) {
    return AllOf(HasSubstr("millrace run has no option '" + option + "'"),
                 HasSubstr("the form is: millrace run [OPTIONS] -- COMMAND..."),
                 HasSubstr("see: millrace run --help"));
  };
  EXPECT_THAT(wrong({"run", "--bogus", "--", "true"}), is_told("--bogus"));
  EXPECT_THAT(wrong({"run", "--bogus", "3", "--", "true"}), is_told("--bogus"));
  EXPECT_THAT(wrong({"run", "--bogus=3", "--", "true"}), is_told("--bogus"));
  EXPECT_THAT(wrong({"run", "--cpus", "2", "-z", "--", "true"}), is_told("-z"));
  EXPECT_THAT(wrong({"run", "--bogus"}), is_told("--bogus"));
  EXPECT_THAT(wrong({"run", "ls", "--all"}), is_told("--all")) << "of a command that is not after --";
}

TEST(WrongLine, WhatFollowsTheDashesOrAnOptionIsNoOption) {
  const auto text = wrong({"run", "--name", "-x", "-eA=b", "--json", "--wrong", "--", "ls", "--all"});
  EXPECT_THAT(text, AllOf(HasSubstr("'--wrong'"), Not(HasSubstr("'-x'")), Not(HasSubstr("--all"))));
  EXPECT_THAT(wrong({"run", "--name", "x"}), AllOf(HasSubstr("command is required"),
                                                   HasSubstr("-- COMMAND..."), Not(HasSubstr("no option"))));
}

TEST(WrongLine, OtherCommandsNameTheirOwn) {
  EXPECT_THAT(wrong({"job", "submit", "--bogus", "x"}),
              AllOf(HasSubstr("millrace job submit has no option '--bogus'"), Not(HasSubstr("the form is"))));
  EXPECT_THAT(wrong({"key", "create"}), HasSubstr("--project is required"));
  EXPECT_THAT(wrong({"nonsense"}), HasSubstr("there is no command 'millrace nonsense'"));
}

TEST(Help, OfRunSaysThatStandardInputIsEmptyAndHowDataGoes) {
  EXPECT_THAT(help_of({"run"}),
              AllOf(HasSubstr("standard input is empty"), HasSubstr("folder that is sent")));
}

}  // namespace
}  // namespace millrace::cli
