# Who may know whom (docs/architecture.md, "Modules"): the one table of allowed edges. Anything not listed is forbidden.
# The rows stand in an order in which each module comes after everything it may use; src/CMakeLists.txt relies on it.
set(MILLRACE_EDGES
  "core:"
  "host: core"
  "net: core host"
  "energy: core"
  "scheduler: core energy"
  "routing: core"
  "store: core host"
  "identity: core host store"
  "ledger: core host store energy"
  "accel: core host"
  "executor: core host accel"
  "engine: core host net"
  "serving: core host executor engine accel energy"
  "fleet: core host net"
  "control: core host identity scheduler energy store ledger accel executor serving fleet"
  "platform: core host store identity ledger control"
  "gateway: core host net identity ledger energy routing engine"
  "api: core host net identity ledger platform control"
  "twin: core host scheduler routing energy control ledger identity store accel executor serving fleet"
  "cli: core host net"
  "apps: *")

# No clock, no randomness, no I/O, no threads: these modules must be declared PURE, and their object files are checked.
set(MILLRACE_PURE core energy scheduler routing)

# Folders of a module that are interchangeable backends: only the backend itself, tests of its module, and apps may
# include their headers. Other folders of a module are private to the whole module. Tests of a module above may
# also use "memory", "fake" and "faulty".
set(MILLRACE_BACKENDS
  "store: memory sqlite postgres faulty"
  "accel: cpu nvidia amd ascend fake"
  "executor: local slurm fake"
  "engine: llama openai fake"
  "fleet: redfish netboot attestation fake")

# Folders of a module that are layers of their own: each may use those before it in its row and the module's top folder.
set(MILLRACE_FOLDERS
  "scheduler: placement books fit promise stop pass"
  "api: document feed handlers")

# Headers that only the named modules (or one backend folder of one, as store/sqlite) may include: "pattern = modules".
# The pattern is a Python regular expression for the whole name; the first one that matches decides.
set(MILLRACE_RESTRICTED_HEADERS
  "CLI/.* = cli apps"
  "toml\\+\\+/.* = host"
  "toml\\.hpp = host"
  "boost/json.* = host net store identity ledger accel executor engine serving fleet control platform gateway api twin cli apps"
  "boost/asio.* ="
  "boost/beast.* ="
  "sqlite3\\.h = store/sqlite"
  "openssl/.* = net host identity"
  "sys/epoll\\.h = net"
  "iostream =")

# Symbols of third parties follow the same idea, so that declaring one by hand gains nothing: "prefix = modules".
set(MILLRACE_RESTRICTED_SYMBOLS
  "sqlite3_ = store"
  "SSL_ = net host identity"
  "EVP_ = net host identity")

set(MILLRACE_MODULES "")
foreach(row IN LISTS MILLRACE_EDGES)
  string(REGEX MATCH "^([a-z]+):(.*)$" _ "${row}")
  list(APPEND MILLRACE_MODULES ${CMAKE_MATCH_1})
  separate_arguments(MILLRACE_ROW_${CMAKE_MATCH_1} UNIX_COMMAND "${CMAKE_MATCH_2}")
endforeach()
list(REMOVE_ITEM MILLRACE_MODULES "")
set(MILLRACE_ROW_apps ${MILLRACE_MODULES})
list(REMOVE_ITEM MILLRACE_ROW_apps apps)

include(${CMAKE_CURRENT_LIST_DIR}/Module.cmake)
