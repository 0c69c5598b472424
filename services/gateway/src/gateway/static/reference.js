// The reference page: one document, ours, and nothing that would ask another host.
Scalar.createApiReference("#reference", {
  url: "/openapi.json",
  agent: { disabled: true },
  authentication: { preferredSecurityScheme: "bearer" },
  hideClientButton: true,
  mcp: { disabled: true },
  showDeveloperTools: "never",
  telemetry: false,
  withDefaultFonts: false,
});
