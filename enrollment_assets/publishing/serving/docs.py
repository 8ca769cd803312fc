"""The page that documents the API: Swagger UI, served without any file from elsewhere.

FastAPI's own page declares no language and has no main landmark, and Swagger UI's colors have too
little contrast; so the page is written here.
"""

import html
import json

STATIC = "/static-offline-docs"

_OPTIONS = {
    "url": "/openapi.json",
    "dom_id": "#swagger-ui",
    "layout": "BaseLayout",
    # The validator is another site, which would learn our address.
    "validatorUrl": None,
    # Deep links are links inside buttons, and the highlighter paints dark on dark.
    "deepLinking": False,
    "syntaxHighlight": False,
}
_STYLE = """
.swagger-ui .info .title small.version-stamp { background: #3d6b00; }
.swagger-ui .info a, .swagger-ui .info .url { color: #1d5fa8; }
.swagger-ui .opblock.opblock-get .opblock-summary-method { background: #1d5fa8; }
.swagger-ui .btn.execute { background: #1d5fa8; }
.swagger-ui .btn.cancel { color: #a61b1b; border-color: #a61b1b; }
.swagger-ui .download-contents { background: #41444e; }
.swagger-ui .parameter__in, .swagger-ui .parameter__extension, .swagger-ui .prop-format,
.swagger-ui .json-schema-2020-12-expand-deep-button { color: #4a4a4a; }
.swagger-ui .microlight { white-space: pre-wrap !important; overflow-wrap: anywhere; }
.swagger-ui .example.microlight { max-height: none; overflow: visible !important; }
.swagger-ui .copy-to-clipboard { display: none; } /* buttons without a name */
"""


def docs_page(title: str) -> str:
    """The whole page."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}: API</title>
<link rel="stylesheet" href="{STATIC}/swagger-ui.css">
<link rel="icon" href="{STATIC}/favicon.png">
<style>{_STYLE}</style>
</head>
<body>
<main id="swagger-ui"></main>
<script src="{STATIC}/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({{...{json.dumps(_OPTIONS)}, presets: [SwaggerUIBundle.presets.apis]}});
</script>
</body>
</html>
"""
