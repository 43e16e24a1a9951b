#include "identity/environment_pass.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace millrace::identity {
namespace {

constexpr TimePoint kNow{std::chrono::seconds{1'800'000'000}};

class EnvironmentPass : public ::testing::Test {
 protected:
  SeededRng rng{1};
  KeyDigest secret{7}, other{8};
  Pass pass = make_pass("key_01ABC", kTokenLife, kNow, rng);
  std::string text = seal(pass, PassKind::kToken, secret, "nb");
};

TEST_F(EnvironmentPass, OpensWhatItSealedUntilItExpires) {
  EXPECT_EQ(unseal(text, PassKind::kToken, secret, "nb", kNow), pass);
  EXPECT_EQ(unseal(text, PassKind::kToken, secret, "nb", kNow + kTokenLife - std::chrono::seconds{1}), pass);
  EXPECT_FALSE(unseal(text, PassKind::kToken, secret, "nb", kNow + kTokenLife));
}

TEST_F(EnvironmentPass, ATokenIsNoCookieAndNobodyElses) {
  EXPECT_FALSE(unseal(text, PassKind::kCookie, secret, "nb", kNow));
  EXPECT_FALSE(unseal(text, PassKind::kToken, other, "nb", kNow));
  EXPECT_FALSE(unseal(text, PassKind::kToken, secret, "nb2", kNow));
}

TEST_F(EnvironmentPass, AnyChangedByteIsRefused) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char c : {'A', 'B', '.', '0'}) {
      std::string changed = text;
      if (changed[i] == c) continue;
      changed[i] = c;
      EXPECT_FALSE(unseal(changed, PassKind::kToken, secret, "nb", kNow)) << changed;
    }
    EXPECT_FALSE(unseal(text.substr(0, i), PassKind::kToken, secret, "nb", kNow));
  }
  EXPECT_FALSE(unseal(text + "A", PassKind::kToken, secret, "nb", kNow));
  EXPECT_FALSE(unseal(std::string(100'000, '.'), PassKind::kToken, secret, "nb", kNow));
}

TEST_F(EnvironmentPass, NoTwoAreAlike) {
  EXPECT_NE(make_pass("k", kTokenLife, kNow, rng).nonce, make_pass("k", kTokenLife, kNow, rng).nonce);
}

TEST_F(EnvironmentPass, IsSafeInAUrlAndACookie) {
  EXPECT_EQ(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."),
            std::string::npos);
}

TEST(EnvironmentPassText, ArbitraryTextIsRefused) {
  EXPECT_TRUE(rc::check("arbitrary text is refused", [](const std::string& text) {
    RC_ASSERT(!unseal(text, PassKind::kCookie, KeyDigest{}, "nb", kNow));
  }));
}

}  // namespace
}  // namespace millrace::identity
