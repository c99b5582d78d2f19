"""The HTML of an article: its pictures, its cleaning, its problems."""

from qunfa.article.cleaning import Cleaned, cleaned
from qunfa.article.document import ArticleError
from qunfa.article.page import Heading, OnAPhone, ShownArticle, beginning, missing, on_a_phone, page, wanted
from qunfa.article.pictures import decoded, local_pictures, lost, pictures, replaced
from qunfa.article.problems import problems, problems_as_sent
from qunfa.article.urls import DataUriError, data_of, is_data, is_wechats, name_of
