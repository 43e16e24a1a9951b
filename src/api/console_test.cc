#include "api/console.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace millrace::api {
namespace {

constexpr std::array kFiles = {EmbeddedFile{"index.html", "<!doctype html>"}, EmbeddedFile{"app.js", "run()"},
                               EmbeddedFile{"vendor/plot.mjs", "export {}"}};

std::string header(const Reply& reply, std::string_view name) {
  const auto found = std::ranges::find(reply.headers, name, [](const auto& one) { return one.first; });
  return found == reply.headers.end() ? "" : found->second;
}

TEST(Console, serves_its_files_with_a_strict_policy) {
  const Console console(kFiles);
  const auto page = console.get("/console/", "");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->status, 200);
  EXPECT_EQ(page->content_type, "text/html; charset=utf-8");
  const std::string policy = header(*page, "content-security-policy");
  EXPECT_TRUE(policy.starts_with("default-src 'self'; script-src 'self';")) << policy;
  EXPECT_FALSE(policy.contains("http"));
  EXPECT_FALSE(policy.contains("unsafe"));
  EXPECT_EQ(console.get("/console/vendor/plot.mjs", "")->content_type, "text/javascript; charset=utf-8");
}

TEST(Console, redirects_to_itself_and_leaves_other_paths_alone) {
  const Console console(kFiles);
  EXPECT_EQ(header(*console.get("/", ""), "location"), "/console/");
  EXPECT_EQ(console.get("/console", "")->status, 302);
  EXPECT_FALSE(console.get("/api/v1/keys", ""));
  EXPECT_FALSE(console.get("/consoles/", ""));
}

TEST(Console, a_view_gets_the_page_and_a_missing_file_does_not) {
  const Console console(kFiles);
  EXPECT_EQ(console.get("/console/keys", "")->body, "<!doctype html>");
  EXPECT_EQ(console.get("/console/missing.js", "")->status, 404);
  EXPECT_EQ(console.get("/console/../index.html", "")->status, 404);
  EXPECT_EQ(Console({}).get("/console/", "")->status, 404);
}

TEST(Console, an_unchanged_file_is_not_sent_again) {
  const Console console(kFiles);
  const std::string etag = header(*console.get("/console/app.js", ""), "etag");
  EXPECT_EQ(console.get("/console/app.js", etag)->status, 304);
  EXPECT_TRUE(console.get("/console/app.js", etag)->body.empty());
  EXPECT_EQ(console.get("/console/app.js", "\"other\"")->status, 200);
}

}  // namespace
}  // namespace millrace::api
