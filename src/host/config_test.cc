#include "host/config.h"

#include <gtest/gtest.h>

#include "host/file.h"

namespace millrace::host {
namespace {

std::string fault_of(std::string_view text, const std::vector<ConfigOverride>& overrides = {}) {
  const auto config = parse_config(text, "config.toml", "/home", overrides);
  return config ? "" : config.error().message;
}

TEST(Config, ReadsEverySectionAndKeepsDefaults) {
  const auto config = parse_config(
      "[listen]\naddress = '0.0.0.0:443'\n[site]\npue = 1.2\nzone = 'SE-SE3'\n[node]\nmax_w = 400\n",
      "config.toml", "/home");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->listen.address, "0.0.0.0:443");
  EXPECT_EQ(config->site.zone, "SE-SE3");
  EXPECT_EQ(config->site.pue, 1.2);
  EXPECT_EQ(config->node.max_w, 400.0);
  EXPECT_EQ(config->engine.slots, 4);
  EXPECT_EQ(config->home, "/home");
}

TEST(Config, NamesFileLineAndKeyOfAFault) {
  EXPECT_EQ(fault_of("\n[listen]\nadress = 'x'\n"), "config.toml:3: listen.adress: there is no such setting");
  EXPECT_EQ(fault_of("[lisen]\n"), "config.toml:1: lisen: there is no such section");
  EXPECT_NE(fault_of("[price]\ncpu_hour_eur = 0.02\n").find("millrace price set"), std::string::npos);
  EXPECT_EQ(fault_of("[listen]\naddress = 8080\n"), "config.toml:2: listen.address: want a string in quotes");
  EXPECT_EQ(fault_of("[site]\npue = 0.5\n"), "config.toml:2: site.pue: 0.5 is not in 1 to 10");
  EXPECT_EQ(fault_of("[engine]\nslots = 1.5\n"), "config.toml:2: engine.slots: want an integer");
  EXPECT_EQ(fault_of("[site]\npue = nan\n").substr(0, 24), "config.toml:2: site.pue:");
  EXPECT_EQ(fault_of("[site\n").substr(0, 14), "config.toml:1:");
  EXPECT_EQ(fault_of("[ #\n").substr(0, 14), "config.toml:1:");
  EXPECT_NE(fault_of("[listen]\ntls_cert = 'a'\n"), "");
  EXPECT_EQ(fault_of("[log]\nlevel = 'loud'\n"),
            "config.toml:2: log.level: want debug, info, warning or error, found 'loud'");
}

TEST(Config, PathsLieBelowTheHomeUnlessTheyStartAtTheRoot) {
  const auto config =
      parse_config("[listen]\ntls_cert = 'tls/c.pem'\ntls_key = '/etc/k.pem'\n", "config.toml", "/home");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->listen.tls_cert, "/home/tls/c.pem");
  EXPECT_EQ(config->listen.tls_key, "/etc/k.pem");
  EXPECT_EQ(config->site.intensity, "");
}

TEST(Config, ReadsVirtualNodesAndNamesTheirFaults) {
  const auto config = parse_config(
      "[[node]]\nname = 'n'\ncount = 2\nmemory = '2GiB'\naccelerators = 8\naccel = 'fake'\n[[node]]\nname = "
      "'m'\n",
      "config.toml", "/home");
  ASSERT_TRUE(config) << config.error().message;
  ASSERT_EQ(config->nodes.size(), 2u);
  EXPECT_EQ(config->nodes[0].memory_bytes, std::int64_t{2} << 30);
  EXPECT_EQ(fault_of("[[node]]\nname = 'n'\nmemry = '2GiB'\n"),
            "config.toml:3: node.memry: there is no such setting");
  EXPECT_EQ(fault_of("[[node]]\nname = 'n'\naccelerators = 17\n").substr(0, 36),
            "config.toml:3: node.accelerators: wa");
  EXPECT_EQ(fault_of("[[node]]\nname = 'n'\naccelerators = 1\n").substr(0, 26), "config.toml:1: node.accel:");
  EXPECT_EQ(fault_of("[[node]]\nname = 'n'\n[[node]]\nname = 'n'\n"),
            "config.toml:4: node.name: there are two nodes 'n'; count = N adds 0 to N-1 to the name");
  const std::string four = "[[node]]\nname = 'n'\ncount = 4\n";
  EXPECT_EQ(fault_of(four + "[[node]]\ncpus = 2\nname = 'n3'\n").substr(0, 50),
            "config.toml:6: node.name: there are two nodes 'n3'");
  EXPECT_EQ(fault_of("[[node]]\nname = 'n3'\n" + four).substr(0, 50),
            "config.toml:4: node.name: there are two nodes 'n3'");
  EXPECT_EQ(fault_of(four + "[[node]]\nname = 'n4'\n"), "");
  EXPECT_EQ(fault_of("[[node]]\ncpus = 1\n").substr(0, 25), "config.toml:1: node.name:");
}

TEST(Config, TakesOverridesLastAndNamesTheirSource) {
  const auto config = parse_config("[listen]\naddress = 'a:1'\n", "config.toml", "/home",
                                   {{"listen.address", "b:2", "--listen"}, {"site.pue", "1.5", "--pue"}});
  ASSERT_TRUE(config);
  EXPECT_EQ(config->listen.address, "b:2");
  EXPECT_EQ(config->site.pue, 1.5);
  EXPECT_EQ(fault_of("", {{"engine.slots", "many", "--slots"}}),
            "--slots: engine.slots: want an integer, found 'many'");
}

TEST(Config, WorksWithoutAFile) {
  const auto config = load_config("/nonexistent");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->listen.address, "127.0.0.1:8080");
}

}  // namespace
}  // namespace millrace::host
