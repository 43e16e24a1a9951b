// Cluster: what the sites hold, as far as a decision needs it. Values only; indexes point into the vectors of `Cluster`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/capability.h"

namespace millrace::scheduler {

using KindIndex = std::uint16_t;
using SiteIndex = std::uint16_t;
using FeedIndex = std::uint16_t;
using RackIndex = std::uint32_t;
using RailIndex = std::uint32_t;
using DomainIndex = std::uint32_t;
using NodeIndex = std::uint32_t;
/// "Not in any": for `Rack::feed`, `Node::rack`, `Node::rail` and `Node::domain`.
inline constexpr std::uint32_t kNoIndex = UINT32_MAX;
inline constexpr FeedIndex kNoFeed = UINT16_MAX;
/// A kind that no node has.
inline constexpr KindIndex kNoKind = UINT16_MAX;

/// Devices of one node; a set of devices is a bit mask.
inline constexpr int kDevicesMax = 16;

struct Site {
  std::string name;
  std::string zone;          // electricity zone: "FR", "SE-SE3"
  std::string jurisdiction;  // where the law of its place applies: "FR", "EU"
  double pue = 1.0;          // energy of the site / energy of its IT equipment, at least 1
};

/// A power feed of a site, with a budget of its own.
struct Feed {
  std::string name;
  SiteIndex site = 0;
};

struct Rack {
  std::string name;
  SiteIndex site = 0;
  FeedIndex feed = kNoFeed;
};

/// A switch of the network, or a group of them, that nodes hang on.
struct Rail {
  std::string name;
  SiteIndex site = 0;
};

/// Nodes joined by a fast interconnect.
struct Domain {
  std::string name;
  SiteIndex site = 0;
};

enum class Health : std::uint8_t {
  kReady,     // takes work
  kCordoned,  // keeps what it runs, takes nothing new
  kDown,      // runs nothing
};

struct Node {
  std::string name;
  SiteIndex site = 0;
  RackIndex rack = kNoIndex;
  RailIndex rail = kNoIndex;
  DomainIndex domain = kNoIndex;
  KindIndex kind = 0;             // of all its accelerators; any value where accelerators == 0
  std::int32_t accelerators = 0;  // at most kDevicesMax
  std::int64_t cpu_milli = 0;     // thousandths of a core
  std::int64_t memory_mib = 0;
  bool attested = false;
  Health health = Health::kReady;
  std::int64_t idle_mw = 0;     // milliwatts of the whole node when nothing runs
  std::int64_t cpu_max_mw = 0;  // what all cores add at full load
};

/// Power of an accelerator above its idle draw is (power_max_w - power_idle_w) of its kind's capability; its idle draw is
/// part of `Node::idle_mw`.
struct Cluster {
  std::vector<Capability> kinds;
  std::vector<Site> sites;
  std::vector<Feed> feeds;
  std::vector<Rack> racks;
  std::vector<Rail> rails;
  std::vector<Domain> domains;
  std::vector<Node> nodes;
};

}  // namespace millrace::scheduler
