// The files that come with jobs and that they leave.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "host/file.h"
#include "host/sha256.h"
#include "host/system_clock.h"
#include "platform/job_files.h"
#include "platform/work_archives.h"

namespace millrace::platform {
namespace {

class FilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/millrace-files-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { ASSERT_TRUE(host::remove_tree(folder_)); }

  WorkArchives archives(WorkArchivesOptions options = {}) {
    options.folder = folder_ + "/archives";
    return {options, clock_};
  }

  std::string folder_;
  host::SystemClock clock_;
};

TEST_F(FilesTest, AnArchiveComesInPiecesAndIsCheckedAsAWhole) {
  auto all = archives();
  const std::string bytes = "0123456789";
  const auto sha = host::sha256_hex(bytes);
  EXPECT_EQ(all.state("p", sha).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(all.put("p", sha, 0, 10, "0123")->received_bytes, 4);
  EXPECT_EQ(all.put("p", sha, 0, 10, "0123")->received_bytes, 4) << "the same piece again changes nothing";
  EXPECT_EQ(all.put("p", sha, 6, 10, "6789")->received_bytes, 4) << "a gap is not filled with zeros";
  EXPECT_EQ(all.file_of("p", sha).error().code, ErrorCode::kNotFound) << "not before it is whole";
  const auto done = all.put("p", sha, 4, 10, "456789");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_TRUE(done->complete);
  EXPECT_EQ(host::read_file(*all.file_of("p", sha)), bytes);
  EXPECT_EQ(all.file_of("other", sha).error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(all.put("p", sha, 0, 10, "xxxx")->complete) << "what is whole is not written again";
  EXPECT_EQ(host::read_file(*all.file_of("p", sha)), bytes);
}

TEST_F(FilesTest, AnArchiveThatIsNotWhatItSaidIsNotKept) {
  auto all = archives();
  const std::string wrong(64, 'a');
  const auto refused = all.put("p", wrong, 0, 4, "abcd");
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(all.state("p", wrong).error().code, ErrorCode::kNotFound) << "it may be sent anew";
}

TEST_F(FilesTest, ArchivesAreBounded) {
  auto all = archives({.folder = "", .max_bytes = 100, .max_project_bytes = 150});
  const std::string sha(64, 'b');
  EXPECT_EQ(all.put("p", sha, 0, 101, "x").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(all.put("p", sha, 0, 0, "").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(all.put("p", sha, 90, 100, std::string(11, 'x')).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(all.put("p", sha, -1, 100, "x").error().code, ErrorCode::kInvalidArgument);
  for (const char* bad : {"", "../x", "A"}) EXPECT_FALSE(all.put("p", bad, 0, 1, "x")) << bad;
  EXPECT_FALSE(all.put("../p", sha, 0, 1, "x"));
  const std::string first(80, '1'), second(80, '2');
  ASSERT_TRUE(all.put("p", host::sha256_hex(first), 0, 80, first));
  EXPECT_EQ(all.put("p", host::sha256_hex(second), 0, 80, second).error().code, ErrorCode::kExhausted);
  EXPECT_TRUE(all.put("q", host::sha256_hex(second), 0, 80, second)) << "another project has room of its own";
}

TEST_F(FilesTest, ArchivesThatNobodyUsesGo) {
  auto all = archives({.folder = "", .keep = std::chrono::hours(1)});
  const auto sha = host::sha256_hex("one"), needed = host::sha256_hex("two"),
             fresh = host::sha256_hex("three");
  for (const char* text : {"one", "two", "three"})
    ASSERT_TRUE(all.put("p", host::sha256_hex(text), 0,
                        static_cast<std::int64_t>(std::string_view(text).size()), text));
  for (const auto& name : {sha, needed}) {
    const timespec old[2] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, all.file_of("p", name)->c_str(), old, 0), 0);
  }
  EXPECT_EQ(all.sweep({"p/" + needed}), 1u);
  EXPECT_FALSE(all.file_of("p", sha));
  EXPECT_TRUE(all.file_of("p", needed) && all.file_of("p", fresh));
}

class OutputTest : public FilesTest {
 protected:
  void SetUp() override {
    FilesTest::SetUp();
    out_ = folder_ + "/output";
    ASSERT_TRUE(host::make_dirs(out_ + "/a/b"));
    ASSERT_TRUE(host::write_file_atomic(out_ + "/z.txt", "zzz"));
    ASSERT_TRUE(host::write_file_atomic(out_ + "/a/b/run.sh", "#!", 0755));
    ASSERT_TRUE(host::write_file_atomic(folder_ + "/secret", "not yours"));
    ASSERT_EQ(::symlink((folder_ + "/secret").c_str(), (out_ + "/link").c_str()), 0);
    ASSERT_EQ(::symlink(folder_.c_str(), (out_ + "/up").c_str()), 0);
    ASSERT_EQ(::mkfifo((out_ + "/pipe").c_str(), 0644), 0);
  }
  std::string out_;
};

TEST_F(OutputTest, ListsRegularFilesInPages) {
  const auto all = list_output(out_, "", 10);
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->files.size(), 2u);
  EXPECT_EQ(all->files[0].path, "a/b/run.sh");
  EXPECT_TRUE(all->files[0].executable);
  EXPECT_EQ(all->files[1].path, "z.txt");
  EXPECT_EQ(all->files[1].size_bytes, 3);
  EXPECT_FALSE(all->more);
  EXPECT_TRUE(list_output(out_, "", 1)->more);
  EXPECT_EQ(list_output(out_, "a/b/run.sh", 1)->files.front().path, "z.txt");
  EXPECT_TRUE(list_output(folder_ + "/nowhere", "", 10)->files.empty());
}

TEST_F(OutputTest, ListsLinksThatStayInside) {
  const auto link = [&](const std::string& at, const std::string& to) {
    ASSERT_EQ(::symlink(to.c_str(), (out_ + "/" + at).c_str()), 0) << at;
  };
  link("latest", "a/b/run.sh");
  link("a/up", "../z.txt");
  link("a/out", "../../secret");
  link("a/round", "b/../../../secret");
  link("absolute", out_ + "/z.txt");
  const auto all = list_output(out_, "", 10);
  ASSERT_TRUE(all);
  std::vector<std::string> links;
  for (const auto& file : all->files)
    if (!file.link.empty()) links.push_back(file.path + " " + file.link);
  EXPECT_EQ(links, (std::vector<std::string>{"a/up ../z.txt", "latest a/b/run.sh"}));
  EXPECT_FALSE(read_output(out_, "latest", 0, 100)) << "its file is read under its own name";
}

TEST_F(OutputTest, LeavesOutWhatNoRequestCouldName) {
  const std::string deep = out_ + "/" + std::string(200, 'a') + "/" + std::string(200, 'b');
  ASSERT_TRUE(host::make_dirs(deep));
  ASSERT_TRUE(host::write_file_atomic(deep + "/" + std::string(198, 'c'), "fits"));
  ASSERT_TRUE(host::write_file_atomic(deep + "/" + std::string(199, 'd'), "does not"));
  const auto all = list_output(out_, "", 10);
  ASSERT_EQ(all->files.size(), 3u);
  EXPECT_EQ(all->files[1].path.size(), kOutputPathMax);
}

TEST_F(OutputTest, ReadsPiecesOfAFile) {
  EXPECT_EQ(read_output(out_, "z.txt", 1, 100), "zz");
  EXPECT_EQ(read_output(out_, "z.txt", 0, 2), "zz");
  EXPECT_EQ(read_output(out_, "z.txt", 3, 100), "");
  EXPECT_EQ(read_output(out_, "a/b/run.sh", 0, 100), "#!");
}

TEST_F(OutputTest, NoPathLeadsOutOfTheFolder) {
  for (const std::string path : {"link", "up/secret", "../secret", "a/../../secret", "", "/", "a", "pipe",
                                 "./z.txt", "a//b/run.sh", "z.txt/", "nothing"}) {
    const auto bytes = read_output(out_, path, 0, 100);
    ASSERT_FALSE(bytes) << path;
    EXPECT_EQ(bytes.error().code, ErrorCode::kNotFound) << path;
  }
  ASSERT_EQ(::symlink(out_.c_str(), (folder_ + "/as-link").c_str()), 0);
  EXPECT_FALSE(read_output(folder_ + "/as-link", "z.txt", 0, 100)) << "nor is the folder itself a link";
}

}  // namespace
}  // namespace millrace::platform
