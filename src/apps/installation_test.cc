#include "apps/installation.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "host/file.h"

namespace millrace::apps {
namespace {

class Mark : public testing::Test {
 protected:
  void SetUp() override {
    std::string folder = testing::TempDir() + "millrace-mark-XXXXXX";
    ASSERT_NE(::mkdtemp(folder.data()), nullptr);
    installation_.home = folder;
  }
  void TearDown() override { EXPECT_TRUE(host::remove_tree(installation_.home)); }
  Installation installation_;
};

TEST_F(Mark, TellsThePidWhileItIsHeldAndConflictsWithASecond) {
  EXPECT_EQ(running(installation_, "watch"), std::nullopt);
  {
    const auto mark = RoleMark::take(installation_, "watch");
    ASSERT_TRUE(mark);
    EXPECT_EQ(running(installation_, "watch"), ::getpid());
    EXPECT_EQ(RoleMark::take(installation_, "watch").error().code, ErrorCode::kConflict);
    EXPECT_TRUE(RoleMark::take(installation_, "server"));
  }
  EXPECT_EQ(running(installation_, "watch"), std::nullopt);
}

// The server and the watcher look at each other's marks all the time; a role that starts meanwhile must get its own.
TEST_F(Mark, CanBeTakenWhileOthersLookAtIt) {
  ASSERT_TRUE(RoleMark::take(installation_, "watch"));  // the file is there from now on
  std::atomic<bool> stop = false;
  std::thread looker([&] {
    while (!stop) static_cast<void>(running(installation_, "watch"));
  });
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    if (!RoleMark::take(installation_, "watch")) ++refused;
  }
  stop = true;
  looker.join();
  EXPECT_EQ(refused, 0);
}

}  // namespace
}  // namespace millrace::apps
