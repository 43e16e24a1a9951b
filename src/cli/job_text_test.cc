#include "cli/job_text.h"

#include <gtest/gtest.h>

namespace millrace::cli {
namespace {

namespace json = boost::json;

TEST(FailedText, NamesElementsAndHowManyMore) {
  const auto text = [](json::value failed, int more) {
    return failed_text({{"failed_elements", std::move(failed)}, {"failed_more", more}});
  };
  EXPECT_EQ(text(nullptr, 0), "-");
  EXPECT_EQ(text(json::array(), 0), "-");
  EXPECT_EQ(text({"12_7"}, 0), "12_7");
  EXPECT_EQ(text({"12_7", "12_9"}, 3), "12_7, 12_9 and 3 more");
  EXPECT_EQ(failed_text(json::object()), "-") << "of a server that does not tell";
}

TEST(OfAllTasks, AGangIsShownWithAllThatItHolds) {
  const json::array shown = of_all_tasks({{{"tasks", 4}, {"cpus", 0.5}, {"accelerators", 8}},
                                          {{"tasks", 1}, {"cpus", 2}, {"accelerators", 0.5}}});
  EXPECT_EQ(shown[0].at("accelerators").to_number<double>(), 32);
  EXPECT_EQ(shown[0].at("cpus").to_number<double>(), 2);
  EXPECT_EQ(shown[1].at("accelerators").to_number<double>(), 0.5);
}

constexpr std::string_view kFile = R"(command = ["true"]
image = "nope"
after = [
  "9999"]
[[secret]]
name = "a"
[[secret]]
name = "key"
[[mount]]
source = "/srv/data"
path = "/a"
[[mount]]
path = "/b"
source = "/srv/data/x"
)";

TEST(WithPlace, NamesTheLineOfTheKeyThatTheServerMeans) {
  const auto placed = [](const std::string& message) { return with_place(message, kFile, "job.toml"); };
  EXPECT_EQ(placed("image: there is no image 'nope'"), "job.toml:2: image: there is no image 'nope'");
  EXPECT_EQ(placed("after: there is no job '9999' in project a"),
            "job.toml:3: after: there is no job '9999' in project a");
  EXPECT_EQ(placed("secret.name: project a has no secret 'key'; set it").substr(0, 24),
            "job.toml:8: secret.name:");
  EXPECT_EQ(placed("mount.source: /srv/data/x may not be mounted: these are: /srv/data").substr(0, 26),
            "job.toml:14: mount.source:");
  EXPECT_EQ(with_place("image: no", "{\"command\": [\"a\"],\n\"image\": \"x\"}", "standard input"),
            "standard input:2: image: no");
}

TEST(WithPlace, WhatNamesNoKeyOfTheFileIsAsItWas) {
  for (const char* message :
       {"job.toml:3: cpu: there is no such key", "deadline: is over", "no colon", "",
        "tenant x has no quota: none", ": image", "secret.path: x", "image.x: y", "command.: y"})
    EXPECT_EQ(with_place(message, kFile, "job.toml"), message);
  EXPECT_EQ(with_place("image: no", "no toml", "f"), "image: no");
}

}  // namespace
}  // namespace millrace::cli
