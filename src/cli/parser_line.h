// Line: what the commands share while a line is parsed. Private to cli, for parser*.cc only.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "cli/cli.h"
#include "cli/commands.h"

namespace millrace::cli {

/// What every command shares while the line is parsed; `chosen` is run afterwards.
struct Line {
  explicit Line(const Roles& given) : roles(given) {}
  const Roles& roles;
  CLI::App app{"Millrace: your own AI cloud on your own servers.", "millrace"};
  std::string home;
  bool json = false;
  Chosen chosen;

  UpOptions up;
  EndpointOptions endpoint;
  KeyOptions key;
  QuotaOptions quota;
  PriceOptions price;
  UsageOptions usage;
  ModelOptions model;
  ChatOptions chat;
  LogOptions log;
  RunOptions run;
  SubmitOptions submit;
  JobListOptions job_list;
  JobOptions job;
  EventOptions event;
  SecretOptions secret;
  EnvironmentOptions environment;
  std::string name, tenant, folder, shell;
};

/// CLI11's own check names a range of 300 digits.
extern const CLI::Validator kNotNegative;

/// Adds a command that runs `run`. Every command takes --home and --json.
CLI::App* command(Line& line, CLI::App* parent, const std::string& name, const std::string& help,
                  std::function<int()> run);

/// Runs what needs a running Millrace. An answer that is not as this version's are is reported, whatever `run` threw at it.
int with_client(const std::string& home, const std::function<int(const Client&)>& run);

/// A command that needs a running Millrace.
CLI::App* api_command(Line& line, CLI::App* parent, const std::string& name, const std::string& help,
                      std::function<int(const Client&)> run);

CLI::App* group(CLI::App& app, const std::string& name, const std::string& help);

inline constexpr const char* kRunForm = "millrace run [OPTIONS] -- COMMAND...";

/// Tells what is wrong with the line, of which `words` are all but the program's name; kUsage.
int report_usage(const CLI::App& app, const CLI::ParseError& error, const std::vector<std::string>& words);

/// run, job, queue, node, top, site, secret.
void add_work(Line& line);

}  // namespace millrace::cli
