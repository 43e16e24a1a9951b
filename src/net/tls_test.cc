#include "net/tls.h"

#include <gtest/gtest.h>
#include "net/blocking_client.h"
#include "net/certificate_test_support.h"
#include "net/test_world.h"

namespace millrace::net {
namespace {

using testing::eventually;
using testing::World;
using testing::write_certificate;

class Tls : public ::testing::Test {
 protected:
  Tls() {
    char folder[] = "/tmp/millrace-tls-XXXXXX";
    const std::string base = ::mkdtemp(folder);
    cert = base + "/cert.pem";
    key = base + "/key.pem";
    write_certificate(cert, key, "localhost");
    context = TlsContext::server(cert, key).value();
  }
  static BlockingRequest to(const World& world, const std::string& path, const std::string& ca) {
    BlockingRequest out;
    out.url = "https://127.0.0.1:" + std::to_string(world.server->port()) + path;
    out.ca_file = ca;
    return out;
  }
  std::string cert, key;
  std::shared_ptr<TlsContext> context;
};

TEST_F(Tls, CarriesRequestsAndLargeAnswers) {
  World world({}, context);
  auto post = to(world, "/echo", cert);
  post.method = Method::kPost;
  post.body = std::string(300'000, 'p');
  const auto echoed = request(post);
  ASSERT_TRUE(echoed) << echoed.error().message;
  EXPECT_EQ(echoed->body, post.body);
  const auto big = request(to(world, "/big/5000000", cert));
  ASSERT_TRUE(big) << big.error().message;
  EXPECT_EQ(big->body.size(), 5'000'000U);
}

TEST_F(Tls, RefusesACertificateItDoesNotTrust) {
  World world({}, context);
  const auto untrusted = request(to(world, "/echo", ""));
  ASSERT_FALSE(untrusted);
  EXPECT_EQ(untrusted.error().code, ErrorCode::kDenied);
  auto wrong_name = to(world, "/echo", cert);
  write_certificate(cert, key, "other.example");
  ASSERT_TRUE(context->reload());
  wrong_name.url = "https://localhost:" + std::to_string(world.server->port()) + "/echo";
  const auto refused = request(wrong_name);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kDenied);
}

TEST_F(Tls, ReloadServesTheNewCertificateAndKeepsTheOldOneOnFailure) {
  World world({}, context);
  const std::string old_cert = cert + ".old";
  ASSERT_EQ(::rename(cert.c_str(), old_cert.c_str()), 0);
  EXPECT_FALSE(context->reload());
  EXPECT_TRUE(request(to(world, "/echo", old_cert)));
  write_certificate(cert, key, "localhost");
  ASSERT_TRUE(context->reload());
  EXPECT_TRUE(request(to(world, "/echo", cert)));
  EXPECT_FALSE(request(to(world, "/echo", old_cert)));
}

TEST_F(Tls, RefusesAKeyOfAnotherCertificate) {
  const std::string other = key + ".other";
  write_certificate(cert + ".other", other, "localhost");
  const auto result = TlsContext::server(cert, other);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find(other), std::string::npos);
}

TEST_F(Tls, PlainBytesEndTheConnectionAndAClientThatGoesIsNoticed) {
  World world({}, context);
  testing::RawClient plain(world.server->port());
  plain.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  plain.read_to_end();
  EXPECT_TRUE(plain.ended());
  std::string got;
  EXPECT_TRUE(stream(to(world, "/stream", cert), nullptr, [&](std::string_view piece) {
    got += piece;
    return false;
  }));
  EXPECT_EQ(got, "data: 1\n\n");
  EXPECT_TRUE(eventually([&] { return world.handler.closed == 1; }));
}

}  // namespace
}  // namespace millrace::net
