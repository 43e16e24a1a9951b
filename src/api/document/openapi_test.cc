#include "api/document/openapi.h"

#include <gtest/gtest.h>

#include <set>

#include "host/json_test_support.h"

namespace millrace::api {
namespace {

namespace json = boost::json;

json::object document(std::string_view inference = {}) {
  const Schemas schemas = Schemas::create(api_schemas()).value();
  return json::parse(openapi_document(all_routes(), schemas, "1.2.3", inference).value()).as_object();
}

TEST(OpenApi, has_exactly_the_documented_routes) {
  std::set<std::string> wanted, found;
  for (const Route& route : all_routes()) {
    if (route.documented) wanted.insert(std::string(route.method) + ' ' + std::string(route.path));
  }
  const json::object doc = document();
  for (const auto& path : doc.at("paths").as_object()) {
    for (const auto& method : path.value().as_object()) {
      std::string name(method.key());
      for (char& c : name) c = char(std::toupper(c));
      found.insert(name + ' ' + std::string(path.key()));
    }
  }
  EXPECT_EQ(found, wanted);
  EXPECT_EQ(doc.at("openapi"), "3.1.0");
  EXPECT_EQ(doc.at("info").at("version"), "1.2.3");
}

TEST(OpenApi, every_reference_leads_somewhere_and_every_component_is_used) {
  const json::value doc = document();
  std::set<std::string> used;
  host::for_each_ref(doc, [&](std::string_view ref) {
    boost::system::error_code missing;
    ASSERT_TRUE(ref.starts_with("#"));
    EXPECT_NE(doc.find_pointer(ref.substr(1), missing), nullptr) << ref;
    used.emplace(ref);
  });
  for (const char* kind : {"schemas", "responses", "parameters"}) {
    for (const auto& component : doc.at("components").at(kind).as_object()) {
      const std::string ref = std::string("#/components/") + kind + "/" + std::string(component.key());
      EXPECT_TRUE(used.contains(ref)) << ref << " is used by nothing";
    }
  }
}

TEST(OpenApi, every_operation_says_who_may_call_it) {
  for (const auto& path : document().at("paths").as_object()) {
    for (const auto& method : path.value().as_object()) {
      const json::object& operation = method.value().as_object();
      const bool open = operation.at("security").as_array().empty();
      EXPECT_EQ(open, !operation.contains("x-millrace-access")) << path.key();
      EXPECT_EQ(open, !operation.at("responses").as_object().contains("401")) << path.key();
    }
  }
}

TEST(OpenApi, what_was_made_is_linked_to_what_acts_on_it) {
  const auto created = document().at("paths").at("/api/v1/keys").at("post").at("responses").at("201");
  EXPECT_EQ(created.at("links").at("revokeKey"),
            json::parse(R"({"operationId": "revokeKey", "parameters": {"id": "$response.body#/id"}})"));
}

TEST(OpenApi, takes_in_the_paths_of_inference_but_nothing_twice) {
  const json::object doc = document(
      R"({"paths": {"/v1/models": {"get": {}}}, "components": {"schemas": {"ChatRequest": {}}, "headers": {"h": {}}}})");
  EXPECT_TRUE(doc.at("paths").as_object().contains("/v1/models"));
  EXPECT_TRUE(doc.at("components").at("schemas").as_object().contains("ChatRequest"));
  EXPECT_TRUE(doc.at("components").at("schemas").as_object().contains("Problem"));
  EXPECT_TRUE(doc.at("components").at("headers").as_object().contains("h"));
  const Schemas schemas = Schemas::create(api_schemas()).value();
  for (const char* wrong : {"[]", "{", R"({"paths": []})", R"({"paths": {"/api/v1/keys": {}}})",
                            R"({"components": {"schemas": {"Problem": {}}}})"}) {
    EXPECT_FALSE(openapi_document(all_routes(), schemas, "1", wrong)) << wrong;
  }
}

}  // namespace
}  // namespace millrace::api
