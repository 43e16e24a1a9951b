"""Settings of JupyterLab inside an environment."""
c = get_config()  # noqa: F821

c.ServerApp.sock = "/run/millrace/env.sock"
c.ServerApp.sock_mode = "0600"
c.ServerApp.root_dir = "/home/user"
c.ServerApp.open_browser = False
c.ServerApp.base_url = "/"
# The gateway has checked cookie, Host and Origin; Jupyter checks once more that Origin is the Host it was called by.
c.IdentityProvider.token = ""
c.PasswordIdentityProvider.hashed_password = ""
c.ServerApp.allow_remote_access = True
c.ServerApp.allow_origin = ""
c.ServerApp.trust_xheaders = True
c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash", "-l"]}
c.ServerApp.quit_button = False
# Nothing outside is asked for news, updates or extensions.
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None
c.LabApp.extension_manager = "readonly"
