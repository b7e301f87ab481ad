// What JupyterLab loads from a prebuilt extension, written by hand: it shares no packages with JupyterLab, so nothing has to be built.
(window._JUPYTERLAB ??= {})["hub-home"] = {
  init() {},
  async get() {
    return () => ({
      __esModule: true,
      default: {
        id: "hub-home:notice",
        description: "Says when the home is full, each time a page is loaded.",
        autoStart: true,
        activate(app) {
          app.restored.then(async () => {
            const answer = await fetch(`${app.serviceManager.serverSettings.baseUrl}api/home`);
            const { message } = await answer.json();
            if (message) {
              await app.commands.execute("apputils:notify", { message, type: "warning", options: { autoClose: false } });
            }
          });
        },
      },
    });
  },
};
