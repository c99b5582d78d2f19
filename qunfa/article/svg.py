"""Names of SVG, which the HTML parser writes in small letters, as the HTML standard spells them."""

from typing import Final

from lxml import html

_ATTRIBUTES: Final = """
    attributeName attributeType baseFrequency baseProfile calcMode clipPathUnits diffuseConstant edgeMode filterUnits
    glyphRef gradientTransform gradientUnits kernelMatrix kernelUnitLength keyPoints keySplines keyTimes lengthAdjust
    limitingConeAngle markerHeight markerUnits markerWidth maskContentUnits maskUnits numOctaves pathLength
    patternContentUnits patternTransform patternUnits pointsAtX pointsAtY pointsAtZ preserveAlpha preserveAspectRatio
    primitiveUnits refX refY repeatCount repeatDur requiredExtensions requiredFeatures specularConstant specularExponent
    spreadMethod startOffset stdDeviation stitchTiles surfaceScale systemLanguage tableValues targetX targetY textLength
    viewBox viewTarget xChannelSelector yChannelSelector zoomAndPan
"""
_TAGS: Final = """
    altGlyph altGlyphDef altGlyphItem animateColor animateMotion animateTransform clipPath feBlend feColorMatrix
    feComponentTransfer feComposite feConvolveMatrix feDiffuseLighting feDisplacementMap feDistantLight feDropShadow
    feFlood feFuncA feFuncB feFuncG feFuncR feGaussianBlur feImage feMerge feMergeNode feMorphology feOffset
    fePointLight feSpecularLighting feSpotLight feTile feTurbulence foreignObject glyphRef linearGradient
    radialGradient textPath
"""
_ATTRIBUTE: Final = {name.lower(): name for name in _ATTRIBUTES.split()}
_TAG: Final = {name.lower(): name for name in _TAGS.split()}


def restore_names(body: html.HtmlElement) -> None:
    """Spells the names in every drawing as SVG does; WeChat's articles animate with it."""
    for drawing in body.iter("svg"):
        for element in drawing.iter():
            if isinstance(element.tag, str):
                if element.tag in _TAG:
                    element.tag = _TAG[element.tag]
                if not _ATTRIBUTE.keys().isdisjoint(element.attrib):
                    _respell(element)


def _respell(element: html.HtmlElement) -> None:
    """Gives its attributes their names, in the order in which they stood."""
    attributes = list(element.attrib.items())
    element.attrib.clear()
    for name, value in attributes:
        element.attrib[_ATTRIBUTE.get(name, name)] = value
