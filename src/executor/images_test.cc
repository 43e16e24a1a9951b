// What is found in a folder of images.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "executor/images.h"
#include "host/file.h"

namespace millrace::executor {
namespace {

class ImagesTest : public ::testing::Test {
 protected:
  ImagesTest() {
    char name[] = "/tmp/mr-img-XXXXXX";
    folder_ = mkdtemp(name);
  }
  ~ImagesTest() override { (void)host::remove_tree(folder_); }
  void make(const std::string& name) {
    ASSERT_TRUE(host::make_dirs(folder_ + "/" + name + "/etc"));
    ASSERT_TRUE(host::write_file_atomic(folder_ + "/" + name + "/etc/millrace-image.json",
                                        R"({"version":1,"source":"debian:x","requested":["jq"],"packages":3,)"
                                        R"("size_bytes":4096,"created_at":"2026-11-22T10:00:00Z"})"));
  }
  std::string folder_;
};

TEST_F(ImagesTest, CompleteImagesAreListedByName) {
  make("b");
  make("a");
  make(".build.x");
  ASSERT_TRUE(host::make_dirs(folder_ + "/half/usr"));
  const auto all = list_images(folder_);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].name, "a");
  EXPECT_EQ((*all)[0].path, folder_ + "/a");
  EXPECT_EQ((*all)[0].packages, 3);
  EXPECT_EQ((*all)[0].size_bytes, 4096);
  EXPECT_EQ((*all)[0].requested, std::vector<std::string>{"jq"});
  EXPECT_TRUE(list_images(folder_ + "/absent")->empty());
}

TEST_F(ImagesTest, AnUnknownOneIsRefusedWithWhatThereIs) {
  make("base");
  const auto missing = find_image(folder_, "torch");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(
      missing.error().message,
      "there is no image 'torch'; there is: base; see: millrace image list. Make it with: millrace image "
      "build torch");
  for (int i = 10; i < 22; ++i) make("i" + std::to_string(i));
  EXPECT_THAT(
      find_image(folder_, "torch").error().message,
      testing::HasSubstr("there is: base, i10, i11, i12, i13, i14, i15, i16, i17, i18 and 3 more; see"));
  for (const char* name : {"", "..", "a/b", ".x", "A", "-x"})
    EXPECT_EQ(find_image(folder_, name).error().code, ErrorCode::kInvalidArgument) << name;
}

TEST_F(ImagesTest, ADeletedOneIsGoneWithWhatEarlierDeletionsLeft) {
  make("base");
  make(".deleted.old.1");
  ASSERT_TRUE(delete_image(folder_, "base"));
  EXPECT_TRUE(host::list_dir(folder_)->empty());
  EXPECT_EQ(delete_image(folder_, "base").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace millrace::executor
