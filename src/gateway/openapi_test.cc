#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>
#include <string>

#include "gateway/gateway.h"
#include "host/json_test_support.h"

namespace millrace::gateway {
namespace {

namespace json = boost::json;

TEST(OpenApi, EveryReferenceLeadsToASchemaAndEverySchemaIsUsed) {
  const json::value fragment = json::parse(openapi_fragment());
  std::set<std::string> used;
  host::for_each_ref(fragment, [&](std::string_view ref) {
    boost::system::error_code missing;
    EXPECT_NE(fragment.find_pointer(ref.substr(1), missing), nullptr) << ref;
    used.emplace(ref.substr(ref.rfind('/') + 1));
  });
  for (const auto& schema : fragment.at("components").at("schemas").as_object())
    EXPECT_TRUE(used.contains(schema.key())) << schema.key() << " is used by nothing";
}

TEST(OpenApi, AnswersOfInferenceSayTheirHeaders) {
  const auto document = boost::json::parse(openapi_fragment());
  const auto headers = [&](const char* status) {
    return document.at("paths")
        .at("/v1/chat/completions")
        .at("post")
        .at("responses")
        .at(status)
        .at("headers")
        .as_object();
  };
  for (const char* status : {"200", "400", "429"}) {
    EXPECT_TRUE(headers(status).contains("x-request-id")) << status;
    EXPECT_TRUE(headers(status).contains("x-ratelimit-remaining-tokens")) << status;
  }
  EXPECT_TRUE(headers("429").contains("retry-after") && headers("503").contains("retry-after-ms"));
  EXPECT_FALSE(headers("200").contains("retry-after"));
}

}  // namespace
}  // namespace millrace::gateway
