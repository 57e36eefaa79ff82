from rest_framework.routers import SimpleRouter

from competitions.api.views import CompetitionViewSet

router = SimpleRouter(trailing_slash="/?")  # type: ignore[arg-type]  # a pattern: with and without the slash
router.register("competitions", CompetitionViewSet, basename="competition")

urlpatterns = router.urls
