#include "apps/certificate.h"

#include <gtest/gtest.h>

namespace millrace::apps {
namespace {

TEST(CertificatesIn, LeavesOutKeysAndWhatIsNotWhole) {
  const std::string one = "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n";
  const std::string key = "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n";
  EXPECT_EQ(certificates_in(key + one + "a note\n" + one), one + one);
  EXPECT_EQ(certificates_in(one + "-----BEGIN CERTIFICATE-----\nBB\n"), one);
  EXPECT_EQ(certificates_in(key), "");
  EXPECT_EQ(certificates_in(""), "");
}

}  // namespace
}  // namespace millrace::apps
