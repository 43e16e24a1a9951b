#include "identity/secrets.h"

#include <gtest/gtest.h>

#include "store/memory/memory_store.h"

namespace millrace::identity {
namespace {

class SecretsTest : public ::testing::Test {
 protected:
  store::MemoryStore store_;
  Secrets secrets_{store_};
};

TEST_F(SecretsTest, AreKeptReplacedAndDeleted) {
  ASSERT_TRUE(secrets_.put("a1", "HF_TOKEN", "one"));
  ASSERT_TRUE(secrets_.put("a1", "HF_TOKEN", std::string("two\0\n", 5)));
  EXPECT_EQ(secrets_.text("a1", "HF_TOKEN"), std::string("two\0\n", 5));
  ASSERT_TRUE(secrets_.remove("a1", "HF_TOKEN"));
  EXPECT_EQ(secrets_.remove("a1", "HF_TOKEN").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(secrets_.exists("a1", "HF_TOKEN"), false);
}

TEST_F(SecretsTest, BelongToOneProject) {
  ASSERT_TRUE(secrets_.put("a1", "key", "of a1"));
  ASSERT_TRUE(secrets_.put("a1-b", "other", "of a1-b"));
  EXPECT_EQ(secrets_.text("a1-b", "key").error().code, ErrorCode::kNotFound);
  const auto listed = secrets_.list("a1");
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 1u);
  EXPECT_EQ(listed->front().name, "key");
  EXPECT_EQ(listed->front().bytes, 5u);
}

TEST_F(SecretsTest, AMissingOneIsToldHowToSet) {
  const auto missing = secrets_.text("a1", "key");
  ASSERT_FALSE(missing);
  EXPECT_TRUE(missing.error().message.contains("millrace secret set key"));
}

TEST_F(SecretsTest, NamesThatCouldReachOutsideAreRefused) {
  for (const char* name : {"", "a/b", "../a1/key", "a b", "\n"}) {
    EXPECT_EQ(secrets_.put("a1", name, "x").error().code, ErrorCode::kInvalidArgument) << name;
    EXPECT_EQ(secrets_.text("a1", name).error().code, ErrorCode::kInvalidArgument) << name;
    EXPECT_EQ(secrets_.remove("a1", name).error().code, ErrorCode::kInvalidArgument) << name;
  }
}

TEST_F(SecretsTest, AreBoundedInSizeAndNumber) {
  EXPECT_TRUE(secrets_.put("a1", "big", std::string(Secrets::kMaxBytes, 'x')));
  const auto refused = secrets_.put("a1", "big", std::string(Secrets::kMaxBytes + 1, 'x'));
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  for (std::size_t i = 1; i < Secrets::kMaxPerProject; ++i) {
    ASSERT_TRUE(secrets_.put("a1", "s" + std::to_string(i), ""));
  }
  EXPECT_EQ(secrets_.put("a1", "more", "").error().code, ErrorCode::kExhausted);
  EXPECT_TRUE(secrets_.put("a1", "s1", "replaced"));
}

}  // namespace
}  // namespace millrace::identity
