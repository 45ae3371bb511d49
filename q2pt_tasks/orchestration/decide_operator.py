"""The branch after join: approval, promotion or neither."""

from airflow.sdk import BranchMixIn, Context
from airflow.sdk.bases.xcom import BaseXCom

from q2pt_tasks.orchestration.alerts import FailureAlert
from q2pt_tasks.orchestration.operators import CONFIGURE, JOIN, ChildOperator


class DecideOperator(ChildOperator, BranchMixIn):
    """Follows the gate's decision, where the run may: tasks that the decision does not lead to are skipped."""

    command = "decide"
    inherits_from_skipmixin = True

    def execute(self, context: Context) -> None:
        task = context["ti"]
        plan, joined = task.xcom_pull(task_ids=CONFIGURE), task.xcom_pull(task_ids=JOIN)
        verdict = self.run_child({"plan": plan, "joined": joined})
        self.log.info("%s", verdict["sentence"])
        if verdict["alert"]:
            FailureAlert().tell(f"{task.dag_id}: {verdict['alert']}\nOwner: {self.owner}")
        # Branching ends the task by an exception where it skips another one: a returned value would be lost.
        task.xcom_push(key=BaseXCom.XCOM_RETURN_KEY, value=verdict)
        self.do_branch(context, verdict["step"])
