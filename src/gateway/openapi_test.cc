#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <functional>
#include <set>
#include <string>

#include "gateway/gateway.h"

namespace millrace::gateway {
namespace {

namespace json = boost::json;

void for_each_ref(const json::value& value, const std::function<void(std::string_view)>& visit) {
  if (value.is_array()) {
    for (const auto& item : value.get_array()) for_each_ref(item, visit);
  }
  if (!value.is_object()) return;
  for (const auto& member : value.get_object()) {
    if (member.key() == "$ref") visit(std::string_view(member.value().as_string()));
    for_each_ref(member.value(), visit);
  }
}

TEST(OpenApi, EveryReferenceLeadsToASchemaAndEverySchemaIsUsed) {
  const json::value fragment = json::parse(openapi_fragment());
  std::set<std::string> used;
  for_each_ref(fragment, [&](std::string_view ref) {
    boost::system::error_code missing;
    EXPECT_NE(fragment.find_pointer(ref.substr(1), missing), nullptr) << ref;
    used.emplace(ref.substr(ref.rfind('/') + 1));
  });
  for (const auto& schema : fragment.at("components").at("schemas").as_object())
    EXPECT_TRUE(used.contains(schema.key())) << schema.key() << " is used by nothing";
}

}  // namespace
}  // namespace millrace::gateway
