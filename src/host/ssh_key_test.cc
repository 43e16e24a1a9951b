#include "host/ssh_key.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace millrace::host {
namespace {

TEST(SshKey, ANewPairIsInOpenSshsFormsAndNoTwoAreAlike) {
  const auto pair = make_ssh_key_pair("me@here");
  ASSERT_TRUE(pair);
  EXPECT_TRUE(pair->private_key.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA"));
  EXPECT_TRUE(pair->private_key.ends_with("\n-----END OPENSSH PRIVATE KEY-----\n"));
  EXPECT_TRUE(pair->public_key.starts_with("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"));
  EXPECT_TRUE(pair->public_key.ends_with(" me@here"));
  EXPECT_EQ(*check_ssh_public_key(pair->public_key + "\n") + " me@here", pair->public_key);
  EXPECT_NE(make_ssh_key_pair("me@here")->public_key, pair->public_key);
}

TEST(SshKey, OnlyAKeyIsAPublicKey) {
  const std::string good = make_ssh_key_pair("x")->public_key;
  const std::string blob = good.substr(12, good.size() - 14);
  for (const std::string& bad :
       {std::string(), std::string("ssh-ed25519"), std::string("ssh-ed25519 "), "command=\"sh\" " + good,
        "ssh-rsa " + blob, "ssh-dss " + blob, fmt::format("{0}\n{0}", good), "ssh-ed25519 " + blob.substr(1),
        std::string("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5"), " " + good,
        "ssh-ed25519 " + std::string(20'000, 'A')}) {
    EXPECT_FALSE(check_ssh_public_key(bad)) << bad.substr(0, 100);
  }
}

}  // namespace
}  // namespace millrace::host
