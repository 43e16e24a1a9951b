#include "identity/key.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <set>

#include "host/file.h"
#include "host/sha256.h"
#include "host/system_rng.h"

namespace millrace::identity {
namespace {

class PepperFile : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/millrace-key-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { ASSERT_TRUE(host::remove_tree(folder_)); }
  std::string folder_;
};

TEST(Key, TheDigestIsHmacSha256) {
  // RFC 2104 computed the long way from SHA-256, so that neither the library nor its cached state is trusted.
  std::array<std::uint8_t, Pepper::kBytes> secret{};
  for (std::size_t i = 0; i < secret.size(); ++i) secret[i] = static_cast<std::uint8_t>(i * 7 + 1);
  const auto pepper = Pepper::create(secret);
  ASSERT_TRUE(pepper);
  for (const std::string& text : {std::string(), std::string("mr_abc"), std::string(200, 'x')}) {
    std::string inner(64, '\x36');
    std::string outer(64, '\x5c');
    for (std::size_t i = 0; i < secret.size(); ++i) {
      inner[i] = static_cast<char>(inner[i] ^ secret[i]);
      outer[i] = static_cast<char>(outer[i] ^ secret[i]);
    }
    const auto hashed = host::sha256(inner + text);
    outer.append(reinterpret_cast<const char*>(hashed.data()), hashed.size());
    EXPECT_EQ(digest_key(*pepper, text), host::sha256(outer)) << text;
  }
}

TEST(Key, TheDigestIsCheapEnoughForEveryRequest) {
  const auto pepper = Pepper::create(std::array<std::uint8_t, Pepper::kBytes>{});
  ASSERT_TRUE(pepper);
  const std::string text = "mr_" + std::string(43, 'a');
  const auto start = std::chrono::steady_clock::now();
  unsigned sum = 0;
  constexpr int kRounds = 20'000;
  for (int i = 0; i < kRounds; ++i) sum += digest_key(*pepper, text)[0];
  const auto each = (std::chrono::steady_clock::now() - start) / kRounds;
  EXPECT_GT(sum, 0u);
  EXPECT_LT(each, std::chrono::microseconds(50));  // about 1 when the machine is idle
  RecordProperty("ns", std::to_string(std::chrono::nanoseconds(each).count()));
}

TEST(Key, ATextCarriesAllOf256RandomBits) {
  host::SystemRng rng;
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string text = make_key_text(rng);
    ASSERT_TRUE(is_key_text(text)) << text;
    EXPECT_EQ(text.size(), 46u);
    EXPECT_EQ(key_prefix(text), text.substr(0, 10));
    seen.insert(text);
  }
  EXPECT_EQ(seen.size(), 1000u);
  // Flipping any bit of the random numbers changes the text.
  struct Bits final : Rng {
    std::uint64_t next() override { return calls++ == word ? 1ULL << bit : 0; }
    std::size_t word = 0, bit = 0, calls = 0;
  };
  std::set<std::string> flipped;
  for (std::size_t word = 0; word < 4; ++word) {
    for (std::size_t bit = 0; bit < 64; ++bit) {
      Bits bits;
      bits.word = word;
      bits.bit = bit;
      flipped.insert(make_key_text(bits));
    }
  }
  EXPECT_EQ(flipped.size(), 256u);
}

TEST(Key, OtherTextsAreNotKeys) {
  const std::string good = "mr_" + std::string(43, 'a');
  EXPECT_TRUE(is_key_text(good));
  for (const std::string& bad : {std::string(), good + "a", good.substr(1), "mx_" + std::string(43, 'a'),
                                 "mr_" + std::string(42, 'a') + "+", "mr_" + std::string(42, 'a') + '\0'}) {
    EXPECT_FALSE(is_key_text(bad)) << bad;
  }
}

TEST_F(PepperFile, IsMadeOnceAndReadBackEqual) {
  host::SystemRng rng;
  const std::string path = folder_ + "/pepper";
  const auto first = load_or_create_pepper(path, rng);
  ASSERT_TRUE(first) << first.error().message;
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto second = load_or_create_pepper(path, rng);
  ASSERT_TRUE(second);
  EXPECT_EQ(digest_key(*first, "x"), digest_key(*second, "x"));
  const auto other = load_or_create_pepper(folder_ + "/other", rng);
  ASSERT_TRUE(other);
  EXPECT_NE(digest_key(*first, "x"), digest_key(*other, "x"));
}

TEST_F(PepperFile, ADamagedOneIsRefusedAndNotReplaced) {
  host::SystemRng rng;
  const std::string path = folder_ + "/pepper";
  for (const std::string& text :
       {std::string("secret-words"), std::string(64, 'g'), std::string(63, 'a'), std::string()}) {
    ASSERT_TRUE(host::write_file_atomic(path, text, 0600));
    const auto pepper = load_or_create_pepper(path, rng);
    ASSERT_FALSE(pepper);
    EXPECT_EQ(pepper.error().code, ErrorCode::kCorrupt);
    EXPECT_EQ(pepper.error().message.find("secret-words"), std::string::npos);
    EXPECT_EQ(host::read_file(path), text);
  }
}

}  // namespace
}  // namespace millrace::identity
