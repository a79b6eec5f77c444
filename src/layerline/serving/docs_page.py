"""/docs without a network: Swagger UI's files come from an installed package, not from a CDN."""

import importlib.util
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)

PACKAGE = "fastapi_offline"  # its files alone are used
FILES = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")
# Swagger UI's own colours have too little contrast to be read by all.
_STYLE = """\
<style>
.swagger-ui .opblock .opblock-summary-method { background: #1f4e8c !important; }
.swagger-ui .info .title small pre, .swagger-ui .info .url { color: #1b1f27; }
.swagger-ui .info .title small { background: #e3e6ea !important; }
.swagger-ui .json-schema-2020-12-expand-deep-button { color: #3b4151 !important; }
</style>
</head>"""


def add_docs(app: FastAPI) -> None:
    """Add /docs and the files that it loads."""
    folder = _assets()

    @app.get("/", include_in_schema=False)
    async def start() -> Response:
        return RedirectResponse("docs")  # relative: a proxy may have put it under another path

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        if folder is None:
            message = f"/docs needs the package {PACKAGE}; /openapi.json has the schema\n"
            return PlainTextResponse(message, 501)
        return _page()

    @app.get("/docs/{name}", include_in_schema=False)
    async def asset(name: str) -> Response:
        if folder is None or name not in FILES:
            return PlainTextResponse("not found\n", 404)
        return FileResponse(folder / name)


def _page() -> HTMLResponse:
    script, style, icon = (f"/docs/{name}" for name in FILES)
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Layerline",
        swagger_js_url=script,
        swagger_css_url=style,
        swagger_favicon_url=icon,
        swagger_ui_parameters={"deepLinking": False},  # else a link within each button
    )
    text = bytes(page.body).decode().replace("<html>", '<html lang="en">')
    return HTMLResponse(text.replace("</head>", _STYLE))


def _assets() -> Path | None:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        return None
    return Path(found.origin).with_name("static")
