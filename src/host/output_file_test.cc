#include "host/output_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>

#include "host/file.h"

namespace millrace::host {
namespace {

class Output : public testing::Test {
 protected:
  Output() {
    char name[] = "/tmp/millrace-output-XXXXXX";
    folder_ = mkdtemp(name);
    path_ = folder_ + "/report.html";
  }
  ~Output() override { static_cast<void>(remove_tree(folder_)); }
  mode_t mode_of(const std::string& path) {
    struct stat info{};
    EXPECT_EQ(::lstat(path.c_str(), &info), 0) << path;
    return info.st_mode;
  }
  std::string folder_, path_;
};

TEST_F(Output, ANewFileIsWholeOrAbsent) {
  {
    auto file = OutputFile::create(path_).value();
    ASSERT_TRUE(file.write("half"));
    EXPECT_FALSE(exists(path_));
  }
  EXPECT_EQ(list_dir(folder_).value(), std::vector<std::string>{}) << "nothing stays of what was given up";
  ASSERT_TRUE(write_output(path_, "all"));
  EXPECT_EQ(read_file(path_).value(), "all");
  EXPECT_EQ(list_dir(folder_)->size(), 1u);
}

TEST_F(Output, AFileThatIsReplacedKeepsItsMode) {
  ASSERT_TRUE(write_file_atomic(path_, "old", 0640));
  ASSERT_TRUE(write_output(path_, "new"));
  EXPECT_EQ(read_file(path_).value(), "new");
  EXPECT_EQ(mode_of(path_) & 07777, 0640u);
}

TEST_F(Output, ASymlinkStaysAndItsTargetIsWritten) {
  const std::string link = folder_ + "/link";
  ASSERT_TRUE(write_file_atomic(path_, "old"));
  std::filesystem::create_symlink("report.html", link);
  ASSERT_TRUE(write_output(link, "new"));
  EXPECT_TRUE(S_ISLNK(mode_of(link)));
  EXPECT_EQ(read_file(path_).value(), "new");
  std::filesystem::remove(path_);
  ASSERT_TRUE(write_output(link, "made"));
  EXPECT_TRUE(S_ISLNK(mode_of(link)));
  EXPECT_EQ(read_file(path_).value(), "made") << "a link to what is not there yet";
}

TEST_F(Output, APipeIsWrittenAndStaysAPipe) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  std::string read;
  std::thread reader([&] { read = read_file(path_).value_or("nothing"); });
  EXPECT_TRUE(write_output(path_, "through"));
  reader.join();
  EXPECT_EQ(read, "through");
  EXPECT_TRUE(S_ISFIFO(mode_of(path_)));
}

TEST_F(Output, ADeviceStaysAndItsErrorIsTold) {
  const std::string link = folder_ + "/full";
  std::filesystem::create_symlink("/dev/full", link);
  const auto full = write_output(link, "no room");
  ASSERT_FALSE(full);
  EXPECT_NE(full.error().message.find(link), std::string::npos) << full.error().message;
  EXPECT_TRUE(S_ISCHR(mode_of("/dev/full")));
}

TEST_F(Output, AFolderAndAPlaceThatIsNotThereAreNamed) {
  EXPECT_NE(write_output(folder_, "x").error().message.find(folder_), std::string::npos);
  EXPECT_NE(write_output(folder_ + "/none/x", "x").error().message.find("none/x"), std::string::npos);
}

}  // namespace
}  // namespace millrace::host
