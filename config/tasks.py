"""Jobs about jobs."""

from procrastinate.contrib.django import app

from config.core.jobs import take_up_lost_jobs as take_up_all_lost


@app.periodic(cron="* * * * * */10")
@app.task(queueing_lock="take_up_lost_jobs", pass_context=False)
def take_up_lost_jobs(timestamp: int) -> None:
    """Every ten seconds, so that what a killed worker was at is taken up 40 seconds later."""
    take_up_all_lost()
