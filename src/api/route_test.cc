#include "api/route.h"

#include <gtest/gtest.h>

#include "api/uri.h"

namespace millrace::api {
namespace {

Result<Reply> nothing(Services&, const Call&) { return Reply{}; }

Route route(std::string_view method, std::string_view path, std::string_view id) {
  return {.method = method,
          .path = path,
          .id = id,
          .tag = "t",
          .summary = "s",
          .access = kPublic,
          .handler = nothing};
}

Schemas schemas() { return Schemas::create(api_schemas()).value(); }

TEST(Routes, the_table_of_the_product_holds) {
  const auto checked = check_routes(all_routes(), schemas());
  EXPECT_TRUE(checked) << checked.error().message;
}

TEST(Routes, a_route_without_a_policy_is_refused_and_named) {
  auto routes = all_routes();
  routes.push_back(route("GET", "/api/v1/secret", "secret"));
  routes.back().access.reset();
  const auto checked = check_routes(routes, schemas());
  ASSERT_FALSE(checked);
  EXPECT_TRUE(checked.error().message.contains("GET /api/v1/secret declares no policy"))
      << checked.error().message;
}

TEST(Routes, a_faulty_row_is_refused) {
  const auto refused = [](const Route& faulty) { return !check_routes(std::vector{faulty}, schemas()); };
  EXPECT_FALSE(refused(route("GET", "/a", "a")));
  Route faulty = route("GET", "/a/{id}", "a");
  EXPECT_TRUE(refused(faulty)) << "a placeholder without a parameter";
  faulty = route("GET", "/a", "a");
  faulty.handler = nullptr;
  EXPECT_TRUE(refused(faulty)) << "no handler";
  faulty = route("GET", "/a", "a");
  faulty.answer = "Nothing";
  EXPECT_TRUE(refused(faulty)) << "an unknown schema";
  faulty = route("GET", "/a", "a");
  faulty.query = {{"x", R"({"pattern": "a+"})", ""}};
  EXPECT_TRUE(refused(faulty)) << "an unknown pattern";
  EXPECT_FALSE(check_routes(std::vector{route("GET", "/a", "a"), route("GET", "/a", "b")}, schemas()))
      << "twice";
}

TEST(Routes, a_link_takes_a_member_of_the_answer_to_a_route_that_exists) {
  Route made = route("POST", "/a", "make");
  made.answer = "Tenant";
  Route shown = route("GET", "/a/{name}", "show");
  shown.path_parameters = {{"name", R"({"type": "string"})", ""}};
  const auto holds = [&](std::string_view link) {
    made.links = {link};
    return check_routes(std::vector{made, shown}, schemas()).has_value();
  };
  EXPECT_TRUE(holds("show"));
  EXPECT_FALSE(holds("nowhere"));
  EXPECT_FALSE(holds("make")) << "it takes no parameter";
  shown.path = "/a/{id}";
  shown.path_parameters = {{"id", R"({"type": "string"})", ""}};
  EXPECT_FALSE(holds("show")) << "a tenant has no id";
}

TEST(Routes, a_fixed_segment_wins_over_a_placeholder) {
  Route named = route("GET", "/a/{id}", "named");
  const std::vector routes = {named, route("GET", "/a/list", "list"), route("PUT", "/a/{id}", "put")};
  const auto find = [&](std::string_view method, std::vector<std::string> segments) {
    return find_route(routes, method, segments);
  };
  EXPECT_EQ(find("GET", {"a", "list"}).route->id, "list");
  const Match match = find("GET", {"a", "x/y"});
  ASSERT_TRUE(match.route);
  EXPECT_EQ(match.path.find("id")->second, "x/y");
  EXPECT_EQ(find("DELETE", {"a", "1"}).allowed, (std::vector<std::string_view>{"GET", "PUT"}));
  EXPECT_TRUE(find("GET", {"b"}).allowed.empty());
  EXPECT_TRUE(find("GET", {"a"}).allowed.empty());
  EXPECT_TRUE(find("GET", {"a", "b", ""}).allowed.empty());
}

TEST(Uri, decodes_strictly) {
  EXPECT_EQ(*path_segments("/a/b%2Fc"), (std::vector<std::string>{"a", "b/c"}));
  EXPECT_EQ(*path_segments("/"), (std::vector<std::string>{""}));
  for (const char* broken : {"/%", "/%4", "/%zz", "/%00", "/%ff", "/%ed%a0%80"})
    EXPECT_FALSE(path_segments(broken)) << broken;
  EXPECT_EQ(query_parameters("a=1&b=%20x+y&c")->at("b"), " x y");
  EXPECT_EQ(query_parameters("a=1&b=2&c")->at("c"), "");
  EXPECT_EQ(query_parameters("a=b=c")->at("a"), "b=c");
  EXPECT_FALSE(query_parameters("a=1&a=2"));
  EXPECT_TRUE(query_parameters("")->empty());
}

}  // namespace
}  // namespace millrace::api
