// files that come with jobs and that they leave
#include "api/handlers/handlers.h"

namespace millrace::api {

namespace json = boost::json;
using identity::Action;

namespace {

constexpr std::string_view kShaSchema = R"({"type": "string", "maxLength": 64, "pattern": "^[0-9a-f]{64}$"})";
constexpr std::string_view kOffsetSchema =
    R"({"type": "integer", "minimum": 0, "maximum": 9007199254740991, "default": 0})";

Reply archive_reply(const platform::ArchiveState& state) {
  return json_reply(200, json::object{{"sha256", state.sha256},
                                      {"received_bytes", state.received_bytes},
                                      {"complete", state.complete}});
}

std::string_view project_of(const Call& call) { return call.query_text("project", call.principal.project); }

Result<Reply> put_archive(Services& services, const Call& call) {
  const auto bytes = std::int64_t(call.bytes.size());
  return archive_reply(
      TRY(services.archives.put(project_of(call), call.path_text("sha256"), call.query_int("offset", 0),
                                call.query_int("size", bytes), call.bytes)));
}

Result<Reply> show_archive(Services& services, const Call& call) {
  return archive_reply(TRY(services.archives.state(project_of(call), call.path_text("sha256"))));
}

Result<Reply> list_files(Services& services, const Call& call) {
  const auto list =
      TRY(services.jobs.outputs(call.path_text("id"), call.query_text("after"), limit_of(call)));
  const bool more = list.more && !list.files.empty();
  return page_reply(list.files, more ? std::optional(list.files.back().path) : std::nullopt,
                    [](const platform::OutputFile& file) {
                      return json::object{{"path", file.path},
                                          {"size_bytes", file.size_bytes},
                                          {"executable", file.executable},
                                          {"link", text_json(file.link)},
                                          {"modified_at", to_rfc3339(file.modified_at)}};
                    });
}

Result<Reply> read_file(Services& services, const Call& call) {
  auto bytes =
      TRY(services.jobs.output(call.path_text("id"), call.query_text("path"), call.query_int("from", 0),
                               std::size_t(call.query_int("max", 1 << 20))));
  return Reply{200, std::string(kBytesType), std::move(bytes), {}};
}

void add_archive_routes(std::vector<Route>& routes) {
  const Parameter sha = {"sha256", kShaSchema, "Of the whole archive."};
  const Parameter project = {"project", kNameSchema, "Whose it is; without it, the caller's project."};
  routes.push_back(
      {.method = "PUT",
       .path = "/api/v1/blobs/{sha256}",
       .id = "putBlob",
       .tag = "jobs",
       .summary = "Send a working folder (a tar), in pieces one after the other, or what is left of it",
       .access = needs(Action::kSubmitJobs, Scope::kOwnProject),
       .handler = put_archive,
       .path_parameters = {sha},
       .query = {project,
                 {"offset", kOffsetSchema, "Where this piece begins."},
                 {"size", R"({"type": "integer", "minimum": 1, "maximum": 9007199254740991})",
                  "Bytes of the whole; without it, this piece is the whole."}},
       .body = kBytes,
       .answer = "Blob",
       .changes_policy = false});
  routes.push_back({.method = "GET",
                    .path = "/api/v1/blobs/{sha256}",
                    .id = "showBlob",
                    .tag = "jobs",
                    .summary = "Whether an archive is here, or how much of it",
                    .access = needs(Action::kSubmitJobs, Scope::kOwnProject),
                    .handler = show_archive,
                    .path_parameters = {sha},
                    .query = {project},
                    .answer = "Blob"});
}

}  // namespace

void add_job_file_routes(std::vector<Route>& routes) {
  const Parameter id = {"id", kIdSchema, "A job, or an element of an array: 17, 17_3."};
  routes.push_back(
      {.method = "GET",
       .path = "/api/v1/jobs/{id}/artifacts",
       .id = "listJobFiles",
       .tag = "jobs",
       .summary = "The files that a job left under $MILLRACE_OUTPUT",
       .access = needs(Action::kReadJobOutput, Scope::kPathJob),
       .handler = list_files,
       .path_parameters = {id},
       .query = {{"limit", R"({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100})",
                  "Elements in one answer, at most."},
                 {"after", R"({"type": "string", "minLength": 1, "maxLength": 600})",
                  "The value of `next` in the answer before."}},
       .answer = "JobFilePage"});
  routes.push_back(
      {.method = "GET",
       .path = "/api/v1/jobs/{id}/artifacts/content",
       .id = "readJobFile",
       .tag = "jobs",
       .summary = "A piece of one of these files; empty at its end",
       .access = needs(Action::kReadJobOutput, Scope::kPathJob),
       .handler = read_file,
       .path_parameters = {id},
       .query = {{"path", R"({"type": "string", "minLength": 1, "maxLength": 600})", "As the list names it."},
                 {"from", kOffsetSchema, "Offset in bytes."},
                 {"max", R"({"type": "integer", "minimum": 1, "maximum": 4194304, "default": 1048576})",
                  "Bytes, at most."}},
       .answer_type = kBytesType});
  add_archive_routes(routes);
}

}  // namespace millrace::api
