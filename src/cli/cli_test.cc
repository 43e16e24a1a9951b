#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/folder_archive.h"
#include "cli/ignore.h"
#include "cli/output.h"
#include "host/file.h"
#include "host/process.h"
#include "host/sha256.h"

namespace millrace::cli {
namespace {

using testing::HasSubstr;

TEST(Ignore, NamesMatchGlobs) {
  EXPECT_TRUE(matches_name("*.o", "a.o"));
  EXPECT_TRUE(matches_name("*", ""));
  EXPECT_TRUE(matches_name("a*b*c", "aXbbYc"));
  EXPECT_TRUE(matches_name("[a-c]?[!x]", "b1y"));
  EXPECT_TRUE(matches_name("\\*", "*"));
  EXPECT_TRUE(matches_name("[", "["));
  EXPECT_FALSE(matches_name("*.o", "a.ob"));
  EXPECT_FALSE(matches_name("[a-c]", "d"));
  EXPECT_FALSE(matches_name("\\*", "x"));
  EXPECT_FALSE(matches_name("a", ""));
  EXPECT_FALSE(matches_name(std::string(40, '*') + "b", std::string(5000, 'a'))) << "and soon";
}

TEST(Ignore, PatternsAreThoseOfGitignore) {
  const Ignore ignore(
      "# comment\n*.log\n!keep.log\n/build/\nsub/*.tmp\n**/cache\nlogs/**\n\\#odd\ntrailing \r\n");
  EXPECT_TRUE(ignore.leaves_out("a.log", false));
  EXPECT_TRUE(ignore.leaves_out("deep/down/a.log", false));
  EXPECT_FALSE(ignore.leaves_out("keep.log", false));
  EXPECT_TRUE(ignore.leaves_out("build", true));
  EXPECT_FALSE(ignore.leaves_out("build", false)) << "folders only";
  EXPECT_FALSE(ignore.leaves_out("x/build", true)) << "tied to the top";
  EXPECT_TRUE(ignore.leaves_out("sub/a.tmp", false));
  EXPECT_FALSE(ignore.leaves_out("x/sub/a.tmp", false));
  EXPECT_TRUE(ignore.leaves_out("x/y/cache", true));
  EXPECT_TRUE(ignore.leaves_out("cache", false));
  EXPECT_TRUE(ignore.leaves_out("logs/a/b", false));
  EXPECT_TRUE(ignore.leaves_out("#odd", false));
  EXPECT_TRUE(ignore.leaves_out("trailing", false));
  EXPECT_FALSE(ignore.leaves_out("comment", false));
}

TEST(Limits, ThatAreLookedAtAreToldAndWhereIfNotEverywhere) {
  const auto line = [](std::initializer_list<const char*> kinds) {
    boost::json::array nodes;
    for (const char* kind : kinds) {
      nodes.push_back({{"name", fmt::format("n{}", nodes.size())},
                       {"limits_kind", kind == nullptr ? boost::json::value() : boost::json::value(kind)}});
    }
    return limits_line(nodes);
  };
  const std::string mean = "rlimits, memory and processes are looked at, processor time is not limited";
  EXPECT_EQ(line({}), "");
  EXPECT_EQ(line({"cgroup-v2", "cgroup-v1", nullptr}), "");
  EXPECT_EQ(line({"rlimits", "rlimits"}), "limits: " + mean);
  EXPECT_EQ(line({"rlimits", "cgroup-v1", "rlimits"}), "limits of n0, n2: " + mean);
  const char* weak = "rlimits";
  EXPECT_EQ(line({weak, weak, weak, weak, weak, weak, "cgroup-v2"}),
            "limits of n0, n1, n2, n3 and 2 more: " + mean);
}

class ArchiveTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/millrace-cli-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    top_ = name;
    folder_ = top_ + "/in";
    ASSERT_TRUE(host::make_dirs(folder_ + "/a/b"));
    ASSERT_TRUE(host::make_dirs(folder_ + "/.git"));
  }
  void TearDown() override { ASSERT_TRUE(host::remove_tree(top_)); }
  void write(const std::string& path, const std::string& text, mode_t mode = 0644) {
    ASSERT_TRUE(host::write_file_atomic(folder_ + "/" + path, text, mode));
  }
  std::string bytes_of(const FolderArchive& archive) {
    std::string bytes;
    while (static_cast<std::int64_t>(bytes.size()) < archive.size_bytes)
      bytes += *read_archive(archive, static_cast<std::int64_t>(bytes.size()), 1000);
    return bytes;
  }

  std::string top_, folder_;
};

TEST_F(ArchiveTest, IsWhatTarReadsBack) {
  const std::string deep = "a/b/" + std::string(180, 'n');
  write("a/run.sh", "#!/bin/sh\n", 0755);
  write("empty", "");
  write("block", std::string(512, 'x'));
  write(deep, "deep");
  write(".git/config", "no");
  write("skip.log", "no");
  write(".millraceignore", "*.log\n");
  ASSERT_EQ(::symlink("a/run.sh", (folder_ + "/link").c_str()), 0);
  const auto archive = archive_folder(folder_);
  ASSERT_TRUE(archive) << archive.error().message;
  const std::string bytes = bytes_of(*archive);
  EXPECT_EQ(host::sha256_hex(bytes), archive->sha256);
  ASSERT_TRUE(host::write_file_atomic(top_ + "/x.tar", bytes));
  ASSERT_TRUE(host::make_dirs(top_ + "/out"));
  host::ProcessSpec tar;
  tar.argv = {"tar", "-C", top_ + "/out", "-xf", top_ + "/x.tar"};
  const auto done = host::run_process(tar, std::chrono::minutes(1), 65536);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_EQ(host::read_file(top_ + "/out/" + deep), "deep");
  EXPECT_EQ(host::read_file(top_ + "/out/block"), std::string(512, 'x'));
  EXPECT_EQ(host::read_file(top_ + "/out/link"), "#!/bin/sh\n");
  EXPECT_TRUE(host::exists(top_ + "/out/empty"));
  EXPECT_FALSE(host::exists(top_ + "/out/.git"));
  EXPECT_FALSE(host::exists(top_ + "/out/skip.log"));
  struct stat info{};
  ASSERT_EQ(::stat((top_ + "/out/a/run.sh").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0755u);
}

TEST_F(ArchiveTest, TheSameFolderMakesTheSameBytes) {
  write("x", "1");
  const auto first = archive_folder(folder_), second = archive_folder(folder_);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->sha256, second->sha256);
  write("y", "2");
  EXPECT_NE(archive_folder(folder_)->sha256, first->sha256);
}

TEST_F(ArchiveTest, WhatIsTooMuchIsNamed) {
  const auto write_large = [&](const std::string& path, std::int64_t size) {
    write(path, "");
    ASSERT_EQ(::truncate((folder_ + "/" + path).c_str(), size), 0);
  };
  write("small", "1");
  write("smaller", "");
  ASSERT_TRUE(host::make_dirs(folder_ + "/data"));
  write_large("data/huge", kArchiveMax + 1);
  write_large("data/more", kArchiveMax);
  write_large("model.bin", kArchiveMax / 2);
  const auto refused = archive_folder(folder_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument) << "bad input, in exit codes";
  const std::string& told = refused.error().message;
  EXPECT_THAT(told, HasSubstr("holds 640.0 MiB in "));
  EXPECT_THAT(told, HasSubstr("largest: data (512.0 MiB), model.bin (128.0 MiB), a (1.0 KiB). "));
  EXPECT_THAT(told, HasSubstr("At most 256MiB and "));
  EXPECT_THAT(told, HasSubstr("lines in .millraceignore"));
  write(".millraceignore", "data/\n");
  EXPECT_TRUE(archive_folder(folder_));
}

}  // namespace
}  // namespace millrace::cli
