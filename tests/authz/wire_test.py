"""Every route with every role and without a key, over the wire: what the declared policies promise is what happens.
The table comes from the program's own route tables (route_table.cc); the hand-written one is src/api/authz_test.cc."""
import itertools
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))
import suite  # noqa: E402
from upstream import Upstream  # noqa: E402  (suite put tests/ on the path)

OWN, SIBLING, OTHER = ("alpha", "a1"), ("alpha", "a2"), ("beta", "b1")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGhkYXRhLW9mLWEta2V5LXRoYXQtb3BlbnMtbm90 test"
WITHOUT_OWNER = ("shared", "reach", "platform")
# The test's installation has no model and no replica of its own: an allowed request is told so.
# Nor has it nodes, jobs or a site that control knows: what is asked of them is not found.
ALSO = {"showNode": {404}, "cordonNode": {404}, "drainNode": {404}, "undrainNode": {404}, "createSiteEvent": {422},
        "deleteSiteEvent": {404}, "readJobFile": {404}, "deleteSecret": {404}, "showBlob": {404},
        "deleteEnvironment": {409}, "importModel": {422}, "showModel": {404}, "deleteModel": {404}, "showReplicaLog": {404}}


class Authorisation(suite.Case):
    @classmethod
    def setUpClass(cls):
        cls.table = json.loads(subprocess.run([sys.argv[2]], check=True, capture_output=True, text=True).stdout)
        cls.names = (f"n{i}" for i in itertools.count())
        cls.upstream = Upstream()
        cls.millrace.cli("endpoint", "create", "mock", "--upstream", cls.upstream.url, "--upstream-model", "m",
                         "--upstream-embeds")
        for tenant in ("alpha", "beta"):
            cls.millrace.cli("tenant", "create", tenant)
            cls.millrace.cli("quota", "set", "--tenant", tenant, "--unlimited")
        for tenant, project in (OWN, SIBLING, OTHER):
            cls.millrace.cli("project", "create", project, "--tenant", tenant)
        cls.jobs = {}
        for _, project in (OWN, SIBLING, OTHER):
            key = cls.millrace.key(project=project)["key"]
            cls.jobs[project] = cls.millrace.request("POST", "/api/v1/jobs", {"command": ["true"]}, key)[2]["id"]
        # Environments are made from an image, which is prepared once.
        program = cls.millrace.program
        listed = subprocess.run([program, "image", "list", "--json"], check=True, capture_output=True).stdout
        if "shell" not in [image["name"] for image in json.loads(listed)["images"]]:
            subprocess.run([program, "image", "build", "shell"], check=True)
        cls.environments = {}
        for _, project in (OWN, SIBLING, OTHER):
            cls.environments[project] = next(cls.names)
            cls.create_environment(cls.environments[project], project)
        cls.keys = {role: cls.millrace.key("--role", role, project="a1")["key"] for role in cls.table["roles"]}

    @classmethod
    def tearDownClass(cls):
        cls.upstream.close()

    @classmethod
    def create_environment(cls, name, project):
        status, _, answer = cls.millrace.request("POST", "/api/v1/environments", cls.environment(name, project),
                                                 cls.millrace.env["MILLRACE_KEY"])
        assert status == 201, answer

    @staticmethod
    def environment(name, project):
        return {"name": name, "kind": "shell", "project": project, "cpus": 0.1, "memory_mib": 256, "public_key": KEY}

    def ask(self, method, path, body=None, key=None):
        """The status; `key` None sends none."""
        headers = {} if key else {"authorization": ""}
        return self.millrace.request(method, path, body, key or "-", headers)[0]

    def as_admin(self, method, path, body=None):
        status, _, answer = self.millrace.request(method, path, body, self.millrace.env["MILLRACE_KEY"])
        self.assertLess(status, 300, answer)
        return answer

    def concrete(self, route, owner):
        """(path, body) of a request for the route that acts on `owner`; nothing in it is used by another request."""
        tenant, project = owner
        name = next(self.names)
        path, scope = route["path"], route["scope"]
        if scope == "key-owner":
            path = path.replace("{id}", self.as_admin("POST", "/api/v1/keys", {"project": project})["id"])
        elif scope == "environment-owner":
            if route["id"] == "deleteEnvironment":
                self.create_environment(name, project)
            path = path.replace("{name}", name if route["id"] == "deleteEnvironment" else self.environments[project])
        elif scope == "job-owner":
            path = path.replace("{id}", self.jobs[project])
        elif route["path"].startswith("/api/v1/blobs/"):
            path = path.replace("{sha256}", "a" * 64) + f"?project={project}"
        elif scope in ("tenant", "project"):
            path = path.replace("{name}", tenant if scope == "tenant" else project)
        elif route["id"] == "deleteEndpoint":
            self.as_admin("POST", "/api/v1/endpoints", {"name": name, "upstream_url": self.upstream.url})
            path = path.replace("{name}", name)
        path = path.replace("{name}", "mock").replace("{id}", "mock-0").replace("{model}", "m").replace("{secret}", "kept")
        bodies = {"createTenant": {"name": name}, "createProject": {"name": name, "tenant": tenant},
                  "createKey": {"project": project, "role": "viewer"}, "setTenantQuota": {"unlimited": True},
                  "setProjectQuota": {"unlimited": True}, "importModel": {"source": "/nowhere.gguf", "name": name},
                  "createEndpoint": {"name": name, "upstream_url": self.upstream.url}, "changeEndpoint": {"replicas": 0},
                  "setPrice": {"input_eur_per_mtok": 1, "output_eur_per_mtok": 2},
                  "setMachinePrice": {"core_eur_per_hour": 0.02},
                  "setTenantComputeQuota": {"unlimited": True}, "setProjectComputeQuota": {"unlimited": True},
                  "putSecret": {"text": "x"}, "submitJob": {"command": ["true"], "project": project},
                  "createEnvironment": self.environment(name, project),
                  "planJob": {"command": ["true"], "project": project},
                  "createSiteEvent": {"budget_w": 100, "for_s": 60}}
        return path, bodies.get(route["id"])

    def expected(self, route, role, owner):
        """What the declared policy says of a caller in alpha's a1."""
        allowed = {route["success"]} | ALSO.get(route["id"], set())
        if route["open"]:
            return allowed
        reach = self.table["roles"][role][route["action"]]
        if reach == "none":
            return {403}
        if route["scope"] in ("shared", "reach") or reach == "all":
            return allowed
        if route["scope"] == "platform":
            return {403}
        tenant, project = owner if route["scope"] != "tenant" else (owner[0], "")
        if tenant != OWN[0]:
            return {404}
        if reach == "tenant" or project == OWN[1]:
            return allowed
        return {404} if project else {403}

    def test_every_role_gets_what_the_policy_of_each_api_route_says(self):
        self.assertGreater(len(self.table["api"]), 30)
        for route in self.table["api"]:
            if route["id"] == "putBlob":
                continue  # its body is no JSON: src/api/authz_test.cc
            owners = [OWN] if route["scope"] in WITHOUT_OWNER else [OWN, SIBLING, OTHER]
            for role, owner in itertools.product(self.table["roles"], owners):
                if route["id"] == "changeEndpoint" and role in ("platform-admin", "operator"):
                    wanted = {200, 409, 422}  # an upstream has no replicas to change
                else:
                    wanted = self.expected(route, role, owner)
                path, body = self.concrete(route, owner)
                status = self.ask(route["method"], path, body, self.keys[role])
                self.assertIn(status, wanted, f"{role} of a1: {route['method']} {path} ({route['id']})")

    def test_without_a_valid_key_only_open_routes_answer(self):
        for route in self.table["api"]:
            for key in (None, "mr_wrong"):
                path, body = self.concrete(route, OWN)
                wanted = route["success"] if route["open"] else 401
                self.assertEqual(self.ask(route["method"], path, body, key), wanted, f"{route['id']} with key {key}")

    def test_every_role_gets_what_the_policy_of_each_gateway_route_says(self):
        for route in self.table["gateway"]:
            path = route["path"] + ("mock" if route["path"] == "/v1/models/" else "")
            body = {} if route["method"] == "POST" else None
            if route["guard"] != "action":
                continue
            self.assertEqual(self.ask(route["method"], path, body), 401, path)
            self.assertEqual(self.ask(route["method"], path, body, "mr_wrong"), 401, path)
            for role, rights in self.table["roles"].items():
                status = self.ask(route["method"], path, body, self.keys[role])
                wanted = 403 if rights[route["action"]] == "none" else 400 if route["method"] == "POST" else 200
                self.assertEqual(status, wanted, f"{role}: {route['method']} {path}")

    def test_gateway_routes_without_a_key_are_the_declared_ones(self):
        for route in self.table["gateway"]:
            self.assertNotEqual(route["guard"], "unset", route)
            if route["guard"] in ("public", "local-or-action"):
                self.assertEqual(self.ask(route["method"], route["path"]), 200, route)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
            self.assertIn(self.ask(method, "/api/v1/keys"), (401, 405), method)  # the server checks what is passed on
            self.assertEqual(self.ask(method, "/api/v1/nothing"), 404, method)


    # ---- a tenant-admin of alpha, and what is beta's

    def test_another_tenants_key_is_out_of_reach_and_goes_on_working(self):
        theirs = self.millrace.key(project="b1")
        path = "/api/v1/keys/" + theirs["id"]
        self.assertEqual(self.ask("GET", path, key=self.keys["tenant-admin"]), 404)
        self.assertEqual(self.ask("DELETE", path, key=self.keys["tenant-admin"]), 404)
        self.assertEqual(self.millrace.chat(key=theirs["key"], model="mock")[0], 200)

    def test_lists_and_sums_hold_nothing_of_another_tenant(self):
        theirs, ours = self.millrace.key(project="b1")["key"], self.millrace.key(project="a2")["key"]
        hidden = self.millrace.chat(key=theirs, model="mock")[1]["x-request-id"]
        shown = self.millrace.chat(key=ours, model="mock")[1]["x-request-id"]
        self.millrace.record(hidden), self.millrace.record(shown)

        def read(path):
            status, _, answer = self.millrace.request("GET", path, key=self.keys["tenant-admin"])
            self.assertEqual(status, 200, answer)
            return answer["data"]
        ids = {record["request_id"] for record in read("/api/v1/usage/records?limit=1000")}
        self.assertIn(shown, ids)
        self.assertNotIn(hidden, ids)
        for path, member in (("/api/v1/usage?by=tenant", "name"), ("/api/v1/projects?limit=1000", "tenant"),
                             ("/api/v1/keys?limit=1000", "tenant"), ("/api/v1/tenants", "name")):
            self.assertEqual({row[member] for row in read(path)}, {"alpha"}, path)
        self.assertNotIn("b1", {row["name"] for row in read("/api/v1/usage?by=project")})
        for path in ("/api/v1/usage/records", "/api/v1/usage", "/api/v1/keys", "/api/v1/projects"):
            self.assertEqual(self.ask("GET", path + "?tenant=beta", key=self.keys["tenant-admin"]), 404, path)

    def test_what_lies_beyond_reach_looks_like_what_does_not_exist(self):
        for path in ("/api/v1/tenants/%s", "/api/v1/quotas/tenants/%s"):
            self.same_answer(path % "beta", path % "nowhere")
        for path in ("/api/v1/projects/%s", "/api/v1/quotas/projects/%s"):
            self.same_answer(path % "b1", path % "nowhere")

    def same_answer(self, hidden, missing):
        one, two = (self.millrace.request("GET", path, key=self.keys["tenant-admin"]) for path in (hidden, missing))
        for answer in (one, two):
            answer[2].pop("instance")
        self.assertEqual((one[0], one[2]), (two[0], two[2]), hidden)


if __name__ == "__main__":
    suite.main("--bare")
