#include "api/document/schema.h"

#include <gtest/gtest.h>

namespace millrace::api {
namespace {

namespace json = boost::json;

struct Case {
  const char* schema;
  const char* value;
  bool fits;
};

TEST(Schemas, hold_values_against_every_keyword) {
  const Schemas schemas = Schemas::create(R"({"Small": {"type": "integer", "maximum": 9}})").value();
  const Case cases[] = {
      {R"({"type": "integer"})", "1", true},
      {R"({"type": "integer"})", "1.0", true},
      {R"({"type": "integer"})", "1.5", false},
      {R"({"type": "integer"})", "18446744073709551615", false},
      {R"({"type": "integer"})", "\"1\"", false},
      {R"({"type": ["string", "null"]})", "null", true},
      {R"({"type": ["string", "null"]})", "1", false},
      {R"({"type": "number", "minimum": 0})", "-0.1", false},
      {R"({"$ref": "#/components/schemas/Small"})", "10", false},
      {R"({"type": "string", "minLength": 2})", "\"\u00e9\"", false},
      {R"({"type": "string", "maxLength": 2})", "\"\u00e9\u00e9\"", true},
      {R"({"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$"})", "\"a b\"", false},
      {R"({"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$"})", "\"a_B-1\"", true},
      {R"({"type": "string", "format": "date-time"})", "\"2026-11-22T10:00:00Z\"", true},
      {R"({"type": "string", "format": "date-time"})", "\"yesterday\"", false},
      {R"({"enum": ["a", "b"]})", "\"c\"", false},
      {R"({"type": "array", "items": {"type": "integer"}, "maxItems": 2})", "[1,2]", true},
      {R"({"type": "array", "items": {"type": "integer"}, "maxItems": 2})", "[1,2,3]", false},
      {R"({"type": "array", "items": {"type": "integer"}, "minItems": 1})", "[]", false},
      {R"({"type": "array", "items": {"type": "integer"}})", "[1,\"2\"]", false},
      {R"({"type": "object", "required": ["a"]})", "{}", false},
      {R"({"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": false})",
       R"({"b":1})", false},
      {R"({"type": "object", "additionalProperties": {"type": "integer"}})", R"({"b":"1"})", false},
      {R"({"type": "object", "minProperties": 1})", "{}", false},
      {R"({"oneOf": [{"type": "integer"}, {"type": "number"}]})", "1", false},
      {R"({"anyOf": [{"type": "integer"}, {"type": "number"}]})", "1", true},
      {R"({"anyOf": [{"type": "integer"}, {"type": "null"}]})", "\"x\"", false},
  };
  for (const Case& one : cases) {
    json::value value = json::parse(one.value);
    EXPECT_EQ(schemas.check(json::parse(one.schema), value).has_value(), one.fits)
        << one.schema << ' ' << one.value;
  }
}

TEST(Schemas, make_whole_numbers_integers_also_inside_a_choice) {
  const Schemas schemas = Schemas::create("{}").value();
  json::value value = json::parse(R"({"n": 3.0})");
  const auto schema = json::parse(
      R"({"anyOf": [{"type": "null"}, {"type": "object", "properties": {"n": {"type": "integer"}}}]})");
  ASSERT_TRUE(schemas.check(schema, value));
  EXPECT_EQ(value.at("n").as_int64(), 3);
}

TEST(Schemas, patterns_decide_as_the_functions_behind_them) {
  const Schemas schemas = Schemas::create("{}").value();
  const auto fits = [&](const std::string& pattern, const std::string& text) {
    json::value value(text);
    return schemas.check(json::object{{"pattern", pattern}}, value).has_value();
  };
  const std::string name = "^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$";
  for (const std::string& good : {std::string("a"), std::string("a.b-c"), std::string(63, 'x')})
    EXPECT_TRUE(fits(name, good));
  for (const std::string& bad : {std::string(), std::string("-a"), std::string("a."), std::string("A"),
                                 std::string("a\n"), std::string("a/b"), std::string(64, 'x')}) {
    EXPECT_FALSE(fits(name, bad)) << bad;
  }
  EXPECT_TRUE(fits("^[0-9a-f]{64}$", std::string(64, 'f')));
  EXPECT_FALSE(fits("^[0-9a-f]{64}$", std::string(64, 'F')));
  EXPECT_FALSE(fits("^https?://", "ftp://x"));
}

TEST(Schemas, name_the_place_of_a_fault) {
  const Schemas schemas = Schemas::create(api_schemas()).value();
  json::value value = json::parse(R"({"project": "p", "limits": {"concurrency": -1}})");
  const auto fits = schemas.check(*schemas.find("KeyCreate"), value);
  ASSERT_FALSE(fits);
  EXPECT_EQ(fits.error().message, "/limits/concurrency: is less than 0");
}

TEST(Schemas, name_the_fault_of_the_form_that_was_meant) {
  const auto schemas = *Schemas::create("{}");
  const json::value quota = json::parse(
      R"({"anyOf": [{"type": "object", "additionalProperties": false, "required": ["unlimited"],
                     "properties": {"unlimited": {"enum": [true]}}},
                    {"type": "object", "additionalProperties": false, "properties": {"concurrency": {"type": "integer"}}},
                    {"type": "null"}]})");
  json::value wrong = json::parse(R"({"concurrency": "5"})");
  EXPECT_EQ(schemas.check(quota, wrong).error().message, "/concurrency: must be of type integer");
}

TEST(Schemas, refuse_what_would_go_unchecked) {
  EXPECT_FALSE(Schemas::create(R"({"A": {"type": "string", "multipleOf": 2}})"));
  EXPECT_FALSE(Schemas::create(R"({"A": {"$ref": "#/components/schemas/B"}})"));
  EXPECT_FALSE(Schemas::create(R"({"A": {"type": "string", "pattern": "a*"}})"));
  EXPECT_FALSE(Schemas::create(R"({"A": {"properties": {"b": {"not": {}}}}})"));
  EXPECT_FALSE(Schemas::create("[]"));
  const auto own = Schemas::create(api_schemas());
  EXPECT_TRUE(own) << own.error().message;
}

}  // namespace
}  // namespace millrace::api
